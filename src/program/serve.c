/* SPDX-License-Identifier: MIT */
#include "program/serve.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "program/executed.h"
#include "program/modules.h"
#include "program/packet.h"
#include "program/protocol.h"

#define BACKLOG	     4096
#define WARNINGS_MAX 16u
#define TEXT_BYTES   512u

struct connection {
	int fd;
	struct ucred peer;
	bool greeted;
	const struct module *program; /* its executable, once it has said so */
	struct execution *execution;  /* NULL: it does not tell of one */
	bool exec_failed;
	struct connection *next;
};

struct program_server {
	struct program_server_options options;
	struct modules *modules; /* under the lock */
	char name[PROGRAM_SOCKET_NAME_MAX + 1];
	int listen_fd, epoll_fd, stop_fd, notice_fd;
	pthread_t thread;
	bool running;
	struct connection *connections;
	struct executed *executed;
	pid_t refused;	      /* the last one, which is told once */
	pthread_mutex_t lock; /* of all below, and of the modules */
	char warnings[WARNINGS_MAX][TEXT_BYTES];
	size_t nr_warnings, nr_warned; /* waiting; ever: more of them would say nothing new */
	uint64_t nr_processes;
	bool names_left;
};

static void notice(struct program_server *server)
{
	uint64_t one = 1;

	(void)!write(server->notice_fd, &one, sizeof(one));
}

_printf_(2, 3) static void warn(struct program_server *server, const char *fmt, ...)
{
	va_list args;

	pthread_mutex_lock(&server->lock);
	if (server->nr_warned < WARNINGS_MAX) {
		server->nr_warned++;
		va_start(args, fmt);
		vsnprintf(server->warnings[server->nr_warnings++], TEXT_BYTES, fmt, args);
		va_end(args);
	}
	pthread_mutex_unlock(&server->lock);
	notice(server);
}

/* --- packets --- */

static int send_packet(int to, const void *data, size_t len, int fd)
{
	struct program_packet_message message;

	program_packet_make(&message, data, len, fd);
	return sendmsg(to, &message.header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static ssize_t receive_packet(int from, void *data, size_t len, int *ret_fd)
{
	struct program_packet_message message;
	ssize_t n;

	program_packet_expect(&message, data, len);
	n = recvmsg(from, &message.header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	*ret_fd = n < 0 ? -1 : program_packet_descriptor(&message);
	return n < 0 ? -errno : n;
}

/* --- what a process says --- */

static enum program_session_mode session_mode(enum program_mode mode)
{
	switch (mode) {
	case PROGRAM_GRAPH:
		return PROGRAM_SESSION_GRAPH;
	case PROGRAM_FUNCTION:
		return PROGRAM_SESSION_FUNCTION;
	default:
		return PROGRAM_SESSION_COUNT;
	}
}

static int greet(struct program_server *server, struct connection *connection)
{
	struct program_session session = {
		.packet = PROGRAM_SESSION,
		.version = PROGRAM_PROTOCOL,
		.mode = session_mode(server->options.mode),
		.flags = (server->options.roots ? PROGRAM_SESSION_ROOTS : 0) |
			 (server->options.probes &&
					  program_probes_see_returns(server->options.probes)
				  ? PROGRAM_SESSION_RETURNS
				  : 0),
		.max_depth = server->options.max_depth,
		.threshold = server->options.threshold,
	};

	connection->greeted = true;
	executed_greets(server->executed, connection->peer.pid);
	pthread_mutex_lock(&server->lock);
	server->nr_processes++;
	modules_expect(server->modules, connection->peer.pid);
	pthread_mutex_unlock(&server->lock);
	return send_packet(connection->fd, &session, sizeof(session), server->options.session_fd);
}

static int answer_module(struct program_server *server, struct connection *connection,
			 const struct program_module *packet, int fd)
{
	struct program_answer answer = {.packet = PROGRAM_NOTHING};
	struct err err = {0};
	struct module *module;
	int image = -1, r;

	pthread_mutex_lock(&server->lock);
	r = modules_open(server->modules, fd, packet->name, &module, &err);
	if (r >= 0 && packet->flags & PROGRAM_MODULE_IS_PROGRAM)
		connection->program = module;
	if (r >= 0 && connection->program && !(packet->flags & PROGRAM_MODULE_IS_KNOWN)) {
		const struct module_place place = {packet->bias, packet->low, packet->high};

		r = modules_image(server->modules, module, connection->program, &place, &image,
				  &err);
	}
	if (r >= 0)
		(void)modules_place(module, &answer.base, &answer.text_low, &answer.text_high);
	pthread_mutex_unlock(&server->lock);
	if (r < 0 && r != -EALREADY)
		warn(server, "%.300s is not traced: %s", packet->name, err.text);
	if (packet->flags & PROGRAM_MODULE_IS_LAST)
		server->options.names_due(server->options.ctx);
	if (image >= 0)
		answer.packet = PROGRAM_IMAGE;
	return send_packet(connection->fd, &answer, sizeof(answer), image);
}

static void hear_failure(struct program_server *server, const struct program_failed *failed)
{
	static const char *const texts[] = {
		[PROGRAM_FAILURE_SHADOW] = "has no room for the return addresses: the ends of its "
					   "functions are not seen",
		[PROGRAM_FAILURE_ARENA] = "has no room near its code: it is not traced",
		[PROGRAM_FAILURE_MAP] = "could not be changed: it is not traced",
		[PROGRAM_FAILURE_CHANGED] = "has other code in memory than its file has: it is not "
					    "traced",
		[PROGRAM_FAILURE_RING] = "cannot map the buffers: it is not traced",
		[PROGRAM_FAILURE_VALGRIND] = "runs in valgrind, which runs a translation of its "
					     "code: it is not traced; run it by itself",
		[PROGRAM_FAILURE_SHSTK] =
			"has a shadow stack (CET), which stubs do not keep: it is not "
			"traced; GLIBC_TUNABLES=glibc.cpu.hwcaps=-SHSTK in its "
			"environment turns that off",
		[PROGRAM_FAILURE_NAMESPACE] =
			"was loaded into a namespace of its own (dlmopen), where its libraries "
			"have a libc that cannot be told of stubs: they are not traced",
	};
	const char *text = failed->failure < ARRAY_SIZE(texts) ? texts[failed->failure] : NULL;

	if (text)
		warn(server, "process %d: %.300s%s%s%s%s%s", failed->pid, failed->name,
		     failed->name[0] ? " " : "it ", text, failed->error ? " (" : "",
		     failed->error ? strerror(-failed->error) : "", failed->error ? ")" : "");
}

/* It is about to execute a file, or that has failed. */
static int hear_exec(struct program_server *server, struct connection *connection, bool failed,
		     int fd)
{
	if (failed)
		connection->exec_failed = true;
	else if (fd >= 0 && !connection->execution)
		connection->execution = executed_begin(server->executed, &connection->peer, fd);
	return 0;
}

union packet {
	uint32_t packet;
	struct program_hello hello;
	struct program_module module;
	struct program_failed failed;
};

/* A negative result ends the connection. */
static int hear(struct program_server *server, struct connection *connection)
{
	union packet packet;
	_cleanup_close_ int fd = -1;
	ssize_t n = receive_packet(connection->fd, &packet, sizeof(packet), &fd);

	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n < (ssize_t)sizeof(packet.packet))
		return -EPIPE;
	if ((size_t)n < sizeof(packet))
		memset((uint8_t *)&packet + n, 0, sizeof(packet) - (size_t)n);
	packet.module.name[sizeof(packet.module.name) - 1] = '\0';
	packet.failed.name[sizeof(packet.failed.name) - 1] = '\0';
	if (packet.packet == PROGRAM_HELLO && packet.hello.version == PROGRAM_PROTOCOL)
		return greet(server, connection);
	if ((packet.packet == PROGRAM_EXEC || packet.packet == PROGRAM_EXEC_FAILED) &&
	    packet.hello.version == PROGRAM_PROTOCOL)
		return hear_exec(server, connection, packet.packet == PROGRAM_EXEC_FAILED, fd);
	if (packet.packet == PROGRAM_MODULE && connection->greeted && fd >= 0)
		return answer_module(server, connection, &packet.module, fd);
	if (packet.packet == PROGRAM_FAILED && connection->greeted) {
		hear_failure(server, &packet.failed);
		return 0;
	}
	return -EPROTO;
}

/* --- connections --- */

static int watch(const struct program_server *server, int fd, struct connection *connection)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

	return epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static bool may_connect(struct program_server *server, int fd, struct ucred *ret_peer)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	*ret_peer = peer;
	if (peer.uid == server->options.uid || peer.uid == geteuid())
		return true;
	if (server->refused != peer.pid)
		warn(server,
		     "process %d is not traced: it runs as another user (%u; --user says whose "
		     "are)",
		     (int)peer.pid, (unsigned int)peer.uid);
	server->refused = peer.pid;
	return false;
}

static void take_connection(struct program_server *server)
{
	int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct connection *connection = fd < 0 ? NULL : mem_zalloc(sizeof(*connection));

	if (!connection || !may_connect(server, fd, &connection->peer)) {
		mem_free(connection);
		io_close(fd);
		return;
	}
	connection->fd = fd;
	connection->next = server->connections;
	server->connections = connection;
	if (watch(server, fd, connection) < 0) {
		server->connections = connection->next;
		mem_free(connection);
		io_close(fd);
	}
}

static void end_connection(struct program_server *server, struct connection *connection)
{
	struct connection **link = &server->connections;

	while (*link != connection)
		link = &(*link)->next;
	*link = connection->next;
	if (connection->execution)
		executed_end(server->executed, connection->execution, connection->exec_failed);
	pthread_mutex_lock(&server->lock);
	server->names_left = modules_unnamed(server->modules);
	pthread_mutex_unlock(&server->lock);
	if (server->names_left)
		notice(server);
	io_close(connection->fd);
	mem_free(connection);
}

/* The stop is an event without a connection, as is the listening socket. False: stop. */
static bool handle(struct program_server *server, const struct epoll_event *event)
{
	if (event->data.ptr == &server->stop_fd)
		return false;
	if (event->data.ptr == &server->listen_fd)
		take_connection(server);
	else if (hear(server, event->data.ptr) < 0)
		end_connection(server, event->data.ptr);
	return true;
}

static void *serve(void *arg)
{
	struct program_server *server = arg;
	struct epoll_event event;

	for (;;) {
		int n = epoll_wait(server->epoll_fd, &event, 1, -1);

		if (n > 0 && !handle(server, &event))
			return NULL;
	}
}

/* --- from outside --- */

static int listen_at(struct program_server *server, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	uint64_t secret = 0;
	int n;

	if (getrandom(&secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return err_sys(err, -errno, "cannot make a socket for traced programs");
	n = snprintf(server->name, sizeof(server->name), "sonde-%d-%016llx", (int)getpid(),
		     (unsigned long long)secret);
	memcpy(address.sun_path + 1, server->name, (size_t)n);
	server->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (server->listen_fd < 0 ||
	    bind(server->listen_fd, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) < 0 ||
	    listen(server->listen_fd, BACKLOG) < 0)
		return err_sys(err, -errno, "cannot make a socket for traced programs");
	return 0;
}

static int start(struct program_server *server, struct err *err)
{
	int r = listen_at(server, err);

	if (r < 0)
		return r;
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server->stop_fd = eventfd(0, EFD_CLOEXEC);
	server->notice_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->epoll_fd < 0 || server->stop_fd < 0 || server->notice_fd < 0)
		return err_sys(err, -errno, "cannot serve traced programs");
	r = watch(server, server->stop_fd, (void *)&server->stop_fd);
	if (r == 0)
		r = watch(server, server->listen_fd, (void *)&server->listen_fd);
	if (r == 0)
		r = -pthread_create(&server->thread, NULL, serve, server);
	if (r < 0)
		return err_sys(err, r, "cannot serve traced programs");
	server->running = true;
	return 0;
}

int program_server_new(struct program_server **ret_server,
		       const struct program_server_options *options, struct err *err)
{
	struct program_server *server = mem_zalloc(sizeof(*server));
	int r;

	if (!server)
		return err_sys(err, -ENOMEM, "cannot serve traced programs");
	/* Each module is planned in memory that it then gives back, while the program waits. */
	mem_keep_freed();
	server->options = *options;
	server->listen_fd = server->epoll_fd = server->stop_fd = server->notice_fd = -1;
	pthread_mutex_init(&server->lock, NULL);
	r = modules_new(&server->modules, &server->options);
	server->executed = executed_new();
	if (r == 0 && !server->executed)
		r = -ENOMEM;
	if (r < 0)
		err_sys(err, r, "cannot serve traced programs");
	else
		r = start(server, err);
	if (r < 0) {
		program_server_free(server);
		return r;
	}
	*ret_server = server;
	return 0;
}

void program_server_stop(struct program_server *server)
{
	struct epoll_event event;
	uint64_t one = 1;

	if (!server->running)
		return;
	(void)!write(server->stop_fd, &one, sizeof(one));
	pthread_join(server->thread, NULL);
	server->running = false;
	(void)!read(server->stop_fd, &one, sizeof(one));
	while (epoll_wait(server->epoll_fd, &event, 1, 0) > 0)
		(void)handle(server, &event);
	while (server->connections) {
		/* What is about to be executed belongs to nobody's recording. */
		server->connections->exec_failed = true;
		end_connection(server, server->connections);
	}
	io_close(server->listen_fd);
	server->listen_fd = -1;
}

void program_server_free(struct program_server *server)
{
	if (!server)
		return;
	program_server_stop(server);
	io_close(server->listen_fd);
	io_close(server->epoll_fd);
	io_close(server->stop_fd);
	io_close(server->notice_fd);
	modules_free(server->modules);
	executed_free(server->executed);
	pthread_mutex_destroy(&server->lock);
	mem_free(server);
}

const char *program_server_name(const struct program_server *server)
{
	return server->name;
}

int program_server_fd(const struct program_server *server)
{
	return server->notice_fd;
}

int program_server_names(struct program_server *server, struct out *out)
{
	int r;

	pthread_mutex_lock(&server->lock);
	r = modules_names(server->modules, out);
	pthread_mutex_unlock(&server->lock);
	return r;
}

bool program_server_event(struct program_server *server, uint16_t base, const char **ret_system,
			  struct out *out)
{
	bool any;

	pthread_mutex_lock(&server->lock);
	any = server->options.probes &&
	      program_probes_next(server->options.probes, base, ret_system, out);
	pthread_mutex_unlock(&server->lock);
	return any;
}

bool program_server_names_left(struct program_server *server)
{
	uint64_t count;
	bool left;

	(void)!read(server->notice_fd, &count, sizeof(count));
	pthread_mutex_lock(&server->lock);
	left = server->names_left;
	server->names_left = false;
	pthread_mutex_unlock(&server->lock);
	return left;
}

bool program_server_warning(struct program_server *server, char *ret_text, size_t size)
{
	bool any;

	pthread_mutex_lock(&server->lock);
	any = server->nr_warnings;
	if (any) {
		snprintf(ret_text, size, "%s", server->warnings[0]);
		server->nr_warnings--;
		memmove(server->warnings[0], server->warnings[1],
			server->nr_warnings * sizeof(server->warnings[0]));
	}
	pthread_mutex_unlock(&server->lock);
	return any;
}

struct program_server_counts program_server_counts(struct program_server *server)
{
	struct program_server_counts counts;

	pthread_mutex_lock(&server->lock);
	counts = modules_counts(server->modules);
	counts.processes = server->nr_processes;
	pthread_mutex_unlock(&server->lock);
	return counts;
}

void program_server_skipped(struct program_server *server, program_skipped_fn skipped, void *ctx)
{
	pthread_mutex_lock(&server->lock);
	modules_skipped(server->modules, skipped, ctx);
	pthread_mutex_unlock(&server->lock);
}

void program_server_untraced(struct program_server *server, program_untraced_fn untraced, void *ctx)
{
	executed_each(server->executed, untraced, ctx);
}
