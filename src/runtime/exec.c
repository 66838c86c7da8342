/* SPDX-License-Identifier: MIT */
/*
 * The recorder is told of each program before it is executed: one that does not load the runtime
 * (static, with another user's rights) will not tell by itself. All ways to execute one lead
 * through the C library's execve, execveat and fexecve, whose system calls are replaced by calls;
 * but for who asks the kernel himself. What the caller sees is what it would have seen.
 */
#include <fcntl.h>

#include "runtime/runtime.h"
#include "runtime/sys.h"

/* The recorder is only told of what is there: execvp tries each directory of PATH. */
static bool is_there(long file)
{
	return file >= 0 || file == -23 /* ENFILE */ || file == -24 /* EMFILE */;
}

/* The connection, which the kernel closes when the program is executed; or -1: it does not know. */
static int tell(long file)
{
	struct program_hello exec = {
		.packet = PROGRAM_EXEC,
		.version = PROGRAM_PROTOCOL,
		.pid = (int32_t)sys_0(SYS_getpid),
	};
	int socket = file < 0 ? -1 : rt_connect_silently();
	long r = socket < 0 ? 0 : rt_send(socket, &exec, sizeof(exec), (int)file);

	if (r < 0 && r != -32 /* EPIPE: another user's, and told as that */) {
		sys_3(SYS_close, socket, 0, 0);
		socket = -1;
	}
	if (file >= 0)
		sys_3(SYS_close, file, 0, 0);
	return socket;
}

static void take_back(int socket)
{
	struct program_hello failed = {.packet = PROGRAM_EXEC_FAILED, .version = PROGRAM_PROTOCOL};

	rt_send(socket, &failed, sizeof(failed), -1);
	sys_3(SYS_close, socket, 0, 0);
}

/* What the recorder has been told, to be taken back if the program is not executed. */
struct telling {
	int socket;
	bool untold; /* it is there, and is only counted */
};

static struct telling begin(long file)
{
	bool there = is_there(file);
	struct telling telling = {.socket = tell(file)};

	telling.untold = there && telling.socket < 0;
	if (telling.untold)
		__atomic_fetch_add(&rt_session->untold, 1, __ATOMIC_RELAXED);
	return telling;
}

long rt_execute(const struct rt_execution *execution)
{
	const long *a = execution->arguments;

	return raw_syscall(execution->call, a[0], a[1], a[2], a[3], a[4], 0);
}

/* `file` is a descriptor of it, or the error of opening it. */
static long execute(struct rt_execution *execution, long file)
{
	bool kills = rt_preload_kills(file);
	struct telling telling = begin(file);
	long r = kills ? rt_preload_execute(execution) : rt_execute(execution);

	if (telling.socket >= 0)
		take_back(telling.socket);
	else if (telling.untold)
		__atomic_fetch_sub(&rt_session->untold, 1, __ATOMIC_RELAXED);
	return r;
}

long rt_exec(const char *path, char *const *arguments, char *const *environment)
{
	struct rt_execution execution = {
		.call = SYS_execve,
		.environment = 2,
		.arguments = {(long)path, (long)arguments, (long)environment},
	};

	return execute(&execution, sys_3(SYS_open, (long)path, O_PATH | O_CLOEXEC, 0));
}

long rt_exec_at(long directory, const char *path, char *const *arguments, char *const *environment,
		long flags)
{
	long follow = flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0;
	long file = raw_syscall(SYS_openat, directory, (long)path, O_PATH | O_CLOEXEC | follow, 0,
				0, 0);
	struct rt_execution execution = {
		.call = SYS_execveat,
		.environment = 3,
		.arguments = {directory, (long)path, (long)arguments, (long)environment, flags},
	};

	/* Without a path it is the descriptor itself. */
	if (file == -2 /* ENOENT */ && flags & AT_EMPTY_PATH)
		file = sys_3(SYS_fcntl, directory, F_DUPFD_CLOEXEC, 0);
	return execute(&execution, file);
}

/*
 * A system call of the C library, and the instruction behind it: both become a call of ours. What
 * stands before it may be an image's jump already; only far into a function is the number there.
 */
struct way {
	const char *function;
	uint32_t span; /* bytes of the function in which it is looked for */
	void (*call)(void);
	uint8_t number; /* bytes that load the call's number */
	uint8_t len;	/* of all */
	uint8_t code[13];
};

#define SYSCALL	      0x0f, 0x05
#define LOAD_EXECVEAT 0xb8, 0x42, 0x01, 0x00, 0x00	  /* mov $322,%eax */
#define COMPARE(low)  0x48, 0x3d, (low), 0xf0, 0xff, 0xff /* cmp $-4096 + low,%rax */
#define MOVE	      0x48, 0x89, 0xc7			  /* mov %rax,%rdi: musl's */

static const struct way ways[] = {
	{"execve", 16, rt_exec_call, 0, 8, {SYSCALL, COMPARE(1)}},
	{"execve", 16, rt_exec_call, 0, 5, {SYSCALL, MOVE}},
	{"execveat", 16, rt_exec_at_call, 0, 8, {SYSCALL, COMPARE(0)}},
	{"fexecve", 128, rt_exec_at_call, 5, 13, {LOAD_EXECVEAT, SYSCALL, COMPARE(0)}},
};

static void replace(const struct way *way)
{
	uint8_t code[] = {[RT_JUMP_BYTES] = 0x0f, 0x1f, 0x00}; /* call; nopl (%rax) */
	uint64_t function = rt_loader_symbol(way->function);

	for (uint64_t at = function; function && at < function + way->span; at++) {
		if (memcmp((const void *)at, way->code, way->len) != 0)
			continue;
		at += way->number;
		if (rt_loader_jump(code, 0xe8, at, (uint64_t)way->call))
			(void)rt_loader_patch(at, code, (size_t)(way->len - way->number));
		return;
	}
}

void rt_exec_init(void)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		replace(&ways[i]);
}
