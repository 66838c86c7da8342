/* SPDX-License-Identifier: MIT */
/*
 * The recorder is told of each program before it is executed: one that does not load the runtime
 * (static, with another user's rights) will not tell by itself. All ways to execute one lead
 * through the C library's execve, whose system call is replaced by a call; but for fexecve,
 * execveat and who asks the kernel himself. What the caller sees is what it would have seen.
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

long rt_exec(const char *path, char *const *arguments, char *const *environment)
{
	long file = sys_3(SYS_open, (long)path, O_PATH | O_CLOEXEC, 0), r;
	bool there = is_there(file);
	int socket = tell(file);

	if (there && socket < 0)
		__atomic_fetch_add(&rt_session->untold, 1, __ATOMIC_RELAXED);
	r = sys_3(SYS_execve, (long)path, (long)arguments, (long)environment);
	if (socket >= 0)
		take_back(socket);
	else if (there)
		__atomic_fetch_sub(&rt_session->untold, 1, __ATOMIC_RELAXED);
	return r;
}

void rt_exec_init(void)
{
	/* The system call, and what is behind it in glibc and in musl. */
	static const uint8_t glibc[] = {0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff};
	static const uint8_t musl[] = {0x0f, 0x05, 0x48, 0x89, 0xc7};
	uint8_t code[sizeof(glibc)] = {[RT_JUMP_BYTES] = 0x0f, 0x1f, 0x00}; /* call; nopl (%rax) */
	uint64_t function = rt_loader_symbol("execve");

	for (uint64_t at = function; function && at < function + 16; at++) {
		bool is_glibc = !memcmp((const void *)at, glibc, sizeof(glibc));

		if (!is_glibc && memcmp((const void *)at, musl, sizeof(musl)) != 0)
			continue;
		if (rt_loader_jump(code, 0xe8, at, (uint64_t)rt_exec_call))
			(void)rt_loader_patch(at, code, is_glibc ? sizeof(glibc) : sizeof(musl));
		return;
	}
}
