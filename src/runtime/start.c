/* SPDX-License-Identifier: MIT */
/*
 * The beginning, before any other code of the program or its libraries (DF_1_INITFIRST): find the
 * recorder, map its memory, have every module patched. A program without a recorder, or whose
 * recorder is gone, runs as if this were not here.
 */
#include <elf.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "program/packet.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"

struct program_session rt_plan;
const char *rt_program_path;

/* --- packets --- */

long rt_send(int socket, const void *data, size_t len, int fd)
{
	struct program_packet_message message;

	program_packet_make(&message, data, len, fd);
	for (;;) {
		long r = sys_3(SYS_sendmsg, socket, (long)&message.header, MSG_NOSIGNAL);

		if (r != -4 /* EINTR */)
			return r;
	}
}

long rt_receive(int socket, void *data, size_t len, int *ret_fd)
{
	struct program_packet_message message;
	long r;

	program_packet_expect(&message, data, len);
	do {
		r = sys_3(SYS_recvmsg, socket, (long)&message.header, MSG_CMSG_CLOEXEC);
	} while (r == -4 /* EINTR */);
	*ret_fd = r < 0 ? -1 : program_packet_descriptor(&message);
	return r;
}

void rt_fail(int socket, enum program_failure failure, int error, const char *name)
{
	struct program_failed failed = {
		.packet = PROGRAM_FAILED,
		.failure = failure,
		.error = error,
		.pid = (int32_t)sys_0(SYS_getpid),
	};
	size_t len = strlen(name);

	if (len >= sizeof(failed.name))
		len = sizeof(failed.name) - 1;
	memcpy(failed.name, name, len);
	rt_send(socket, &failed, offsetof(struct program_failed, name) + len + 1, -1);
}

/* --- the recorder --- */

/* Kept for what is loaded later: the environment may be gone by then. */
static struct sockaddr_un address;
static uint32_t address_len;

static bool find_recorder(char **environment)
{
	static const char name[] = PROGRAM_ENVIRONMENT "=";
	size_t len;

	for (; *environment; environment++) {
		if (memcmp(*environment, name, sizeof(name) - 1) == 0)
			break;
	}
	if (!*environment)
		return false;
	len = strlen(*environment + sizeof(name) - 1);
	if (!len || len > PROGRAM_SOCKET_NAME_MAX)
		return false;
	address.sun_family = AF_UNIX;
	memcpy(address.sun_path + 1, *environment + sizeof(name) - 1, len);
	address_len = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
	return true;
}

int rt_connect_silently(void)
{
	int socket = (int)sys_3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int r = socket < 0 ? socket
			   : (int)sys_3(SYS_connect, socket, (long)&address, (long)address_len);

	if (r >= 0)
		return socket;
	if (socket >= 0)
		sys_3(SYS_close, socket, 0, 0);
	return r;
}

int rt_connect(struct program_session *ret_session, int *ret_fd)
{
	struct program_hello hello = {
		.packet = PROGRAM_HELLO,
		.version = PROGRAM_PROTOCOL,
		.pid = (int32_t)sys_0(SYS_getpid),
	};
	int socket = rt_connect_silently();
	long r;

	if (socket < 0)
		return socket;
	r = rt_send(socket, &hello, sizeof(hello), -1);
	if (r >= 0)
		r = rt_receive(socket, ret_session, sizeof(*ret_session), ret_fd);
	if (r >= 0 &&
	    (r != (long)sizeof(*ret_session) || *ret_fd < 0 ||
	     ret_session->packet != PROGRAM_SESSION || ret_session->version != PROGRAM_PROTOCOL)) {
		if (*ret_fd >= 0)
			sys_3(SYS_close, *ret_fd, 0, 0);
		r = -71; /* EPROTO */
	}
	if (r < 0) {
		sys_3(SYS_close, socket, 0, 0);
		return (int)r;
	}
	return socket;
}

/* Addresses for slots; memory comes with the stacks that are used (thread.c). */
static int reserve(uint64_t slots, uint64_t size)
{
	uint64_t low = slots & ~(uint64_t)(PROGRAM_PAGE_BYTES - 1);
	long at;

	size += PROGRAM_PAGE_BYTES;
	at = sys_mmap(low, size, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (sys_failed(at))
		return (int)at;
	if ((uint64_t)at != low) {
		sys_3(SYS_munmap, at, (long)size, 0);
		return -17; /* EEXIST: a kernel that does not know the flag */
	}
	sys_3(SYS_madvise, at, (long)size, MADV_DONTDUMP);
	sys_3(SYS_madvise, at, (long)size, MADV_NOHUGEPAGE);
	return 0;
}

/* For return addresses, where they are wanted the times of calls, and what filters ask. */
static int reserve_shadow(void)
{
	const uint64_t low = 7ull << 44, size = (1ull << 44) - PROGRAM_PAGE_BYTES;
	int r = reserve(low - PROGRAM_SHADOW, size);

	if (r == 0 && rt_notes_times())
		r = reserve(low - RT_TIMES * PROGRAM_SHADOW, size);
	if (r == 0 && rt_follows_depth())
		r = reserve(low - RT_OPENS * PROGRAM_SHADOW, size);
	if (r == 0 && rt_sees_returns())
		r = reserve(low - RT_NEXTS * PROGRAM_SHADOW, size);
	if (r == 0)
		rt_shadowed = (struct rt_range){low, size};
	return r;
}

/* A user space shadow stack; a kernel without it does not know the question. */
static bool has_shadow_stack(void)
{
	uint64_t features = 0;

	return sys_3(SYS_arch_prctl, 0x5005 /* ARCH_SHSTK_STATUS */, (long)&features, 0) == 0 &&
	       features & 1;
}

static void begin(int socket, int session_fd)
{
	int error = 0;

	if (rt_loader_is_valgrinds() || has_shadow_stack()) {
		rt_fail(socket,
			rt_loader_is_valgrinds() ? PROGRAM_FAILURE_VALGRIND : PROGRAM_FAILURE_SHSTK,
			-95 /* EOPNOTSUPP */, "");
		return;
	}
	rt_session = ring_attach(session_fd, &error);
	if (!rt_session) {
		rt_fail(socket, PROGRAM_FAILURE_RING, error, "");
		return;
	}
	rt_counters = ring_counters(rt_session, 0);
	rt_threshold = rt_plan.threshold;
	if (rt_session->watch_bytes >= sizeof(*rt_watching))
		rt_watching =
			(struct program_watch *)((uintptr_t)rt_session + rt_session->watch_at);
	if (!rt_threads_init()) {
		rt_fail(socket, PROGRAM_FAILURE_RING, -22 /* EINVAL */, "");
		return;
	}
	error = 0;
	if (rt_plan.mode == PROGRAM_SESSION_GRAPH || rt_sees_returns())
		error = reserve_shadow();
	else /* no slots are needed: every stack will do */
		rt_shadowed = (struct rt_range){0, UINT64_MAX};
	if (error < 0)
		rt_fail(socket, PROGRAM_FAILURE_SHADOW, error, "");
	rt_loader_init();
	rt_modules_trace(socket, true);
	rt_exec_init();
}

/* The arguments are what glibc gives to constructors; other C libraries do not. */
__attribute__((constructor, used)) static void start(int argc, char **argv, char **environment)
{
	int socket, session_fd;
	bool found;

	(void)argc;
	(void)argv;
	if (!rt_loader_is_glibc())
		environment = rt_loader_environment();
	found = environment && rt_loader_find(environment);
	rt_unwind_init(); /* also where nothing is traced: what is interposed has to work */
	if (!found || !find_recorder(environment))
		return;
	/* As it was executed, which the kernel puts behind the environment. */
	rt_program_path = (const char *)rt_loader_auxiliary(environment, AT_EXECFN);
	socket = rt_connect(&rt_plan, &session_fd);
	if (socket < 0)
		return;
	begin(socket, session_fd);
	sys_3(SYS_close, session_fd, 0, 0);
	sys_3(SYS_close, socket, 0, 0);
}
