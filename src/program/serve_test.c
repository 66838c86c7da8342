/* SPDX-License-Identifier: MIT */
/* The recorder's side of the protocol: answers to what is right, an end of what is not. */
#include "program/serve.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/test.h"
#include "program/protocol.h"

static struct program_server *server;
static struct program_select *selection;
static int memory;

static void begin(void)
{
	struct program_filters filters = {.libs = true};
	struct program_server_options options = {.mode = PROGRAM_GRAPH, .uid = geteuid()};
	struct err err;

	memory = memfd_create("session", MFD_CLOEXEC);
	CHECK_EQ(program_select_new(&selection, &filters, &err), 0);
	options.select = selection;
	options.session_fd = memory;
	CHECK_EQ(program_server_new(&server, &options, &err), 0);
}

static void end(void)
{
	program_server_free(server);
	program_select_free(selection);
	close(memory);
}

static int connected(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *name = program_server_name(server);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path + 1, name, strlen(name));
	if (connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))) == 0)
		return fd;
	close(fd);
	return -1;
}

union control {
	struct cmsghdr header;
	uint8_t bytes[CMSG_SPACE(sizeof(int))];
};

static void say(int to, const void *data, size_t len, int fd)
{
	struct iovec part = {(void *)(uintptr_t)data, len};
	union control control = {0};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	CHECK(sendmsg(to, &message, MSG_NOSIGNAL) == (ssize_t)len);
}

/* Bytes of the answer, 0 at an end; *ret_fd is what came with it, or -1. */
static ssize_t hear(int from, void *data, size_t len, int *ret_fd)
{
	struct iovec part = {data, len};
	union control control = {0};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(from, &message, MSG_CMSG_CLOEXEC);

	*ret_fd = -1;
	if (n > 0 && message.msg_controllen)
		memcpy(ret_fd, CMSG_DATA(&control.header), sizeof(*ret_fd));
	return n;
}

static void greet(int fd)
{
	struct program_hello hello = {.packet = PROGRAM_HELLO, .version = PROGRAM_PROTOCOL};
	struct program_session session = {0};
	int got;

	say(fd, &hello, sizeof(hello), -1);
	CHECK_EQ(hear(fd, &session, sizeof(session), &got), (ssize_t)sizeof(session));
	CHECK_EQ(session.packet, PROGRAM_SESSION);
	CHECK(got >= 0);
	close(got);
}

static void ask(int fd, uint32_t flags, const char *path, struct program_answer *answer,
		int *ret_image)
{
	struct program_module module = {
		.packet = PROGRAM_MODULE,
		.flags = flags,
		.bias = 0x555500000000,
		.low = 0x555500000000 - 0x40000000,
		.high = 0x555500000000 - 0x10000000,
	};
	int file = open(path, O_RDONLY | O_CLOEXEC);

	snprintf(module.name, sizeof(module.name), "%s", path);
	say(fd, &module, sizeof(module), file);
	CHECK_EQ(hear(fd, answer, sizeof(*answer), ret_image), (ssize_t)sizeof(*answer));
	close(file);
}

TEST(modules_get_images_once)
{
	struct program_image_header header;
	struct program_answer answer;
	struct stat first = {0}, second = {0};
	int fd, image;

	begin();
	for (int i = 0; i < 2; i++) {
		fd = connected();
		greet(fd);
		ask(fd, PROGRAM_MODULE_IS_PROGRAM, "/proc/self/exe", &answer, &image);
		CHECK_EQ(answer.packet, PROGRAM_IMAGE);
		CHECK(image >= 0);
		CHECK(pread(image, &header, sizeof(header), 0) == (ssize_t)sizeof(header));
		CHECK(header.magic == PROGRAM_IMAGE_MAGIC && header.nr_stubs > 100);
		CHECK(header.arena + 0x555500000000 == 0x555500000000 - 0x40000000);
		fstat(image, i ? &second : &first);
		close(image);
		close(fd);
	}
	CHECK(first.st_ino == second.st_ino);
	CHECK_EQ(program_server_counts(server).processes, 2);
	CHECK_EQ(program_server_counts(server).images, 1);
	end();
}

TEST(names_come_up_once)
{
	_cleanup_out_ struct out names = {0};
	struct program_answer answer;
	struct pollfd notice = {.events = POLLIN};
	int fd, image;

	begin();
	notice.fd = program_server_fd(server);
	CHECK_EQ(program_server_names(server, &names), 0);
	fd = connected();
	greet(fd);
	ask(fd, PROGRAM_MODULE_IS_PROGRAM, "/proc/self/exe", &answer, &image);
	close(image);
	CHECK(!program_server_names_left(server));
	/* It goes away without having told its last module. */
	close(fd);
	CHECK_EQ(poll(&notice, 1, 10000), 1);
	CHECK(program_server_names_left(server));
	CHECK(!program_server_names_left(server));
	CHECK_EQ(poll(&notice, 1, 0), 0);
	CHECK_EQ(program_server_names(server, &names), 1);
	CHECK(strstr(out_cstr(&names), "\t[serve_test]\n") != NULL);
	CHECK_EQ(program_server_names(server, &names), 0);
	end();
}

TEST(what_is_no_module_is_told)
{
	struct program_answer answer;
	char text[512] = "";
	int fd, image;

	begin();
	fd = connected();
	greet(fd);
	ask(fd, PROGRAM_MODULE_IS_PROGRAM, "/proc/self/exe", &answer, &image);
	close(image);
	ask(fd, 0, "/dev/null", &answer, &image);
	CHECK_EQ(answer.packet, PROGRAM_NOTHING);
	CHECK_EQ(image, -1);
	CHECK(program_server_warning(server, text, sizeof(text)));
	CHECK(strstr(text, "/dev/null is not traced") != NULL);
	CHECK(!program_server_warning(server, text, sizeof(text)));
	close(fd);
	end();
}

TEST(nonsense_ends_the_connection)
{
	struct program_hello old = {.packet = PROGRAM_HELLO, .version = PROGRAM_PROTOCOL + 1};
	struct program_module early = {.packet = PROGRAM_MODULE};
	const struct {
		const void *data;
		size_t len;
	} packets[] = {
		{&old, sizeof(old)}, {&early, sizeof(early)}, {"x", 1}, {"\377\377\377\377", 4}};
	char answer[64];
	int fd, got;

	begin();
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		fd = connected();
		say(fd, packets[i].data, packets[i].len, -1);
		CHECK_EQ(hear(fd, answer, sizeof(answer), &got), 0);
		close(fd);
	}
	/* And the server lives. */
	fd = connected();
	greet(fd);
	close(fd);
	end();
}

TEST_MAIN()
