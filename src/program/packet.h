/* SPDX-License-Identifier: MIT */
/*
 * A packet of program/protocol.h with one descriptor beside it, or none: for both ends, of which
 * one has no C library. Freestanding but for the system's headers.
 */
#ifndef SONDE_PROGRAM_PACKET_H
#define SONDE_PROGRAM_PACKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct program_packet_message {
	struct msghdr header; /* for sendmsg and recvmsg; points into the rest */
	struct iovec part;
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control;
};

/* To be received into `data`. */
static inline void program_packet_expect(struct program_packet_message *message, void *data,
					 size_t len)
{
	*message = (struct program_packet_message){.part = {data, len}};
	message->header.msg_iov = &message->part;
	message->header.msg_iovlen = 1;
	message->header.msg_control = &message->control;
	message->header.msg_controllen = sizeof(message->control);
}

/* To be sent; fd -1: without a descriptor. */
static inline void program_packet_make(struct program_packet_message *message, const void *data,
				       size_t len, int fd)
{
	program_packet_expect(message, (void *)(uintptr_t)data, len);
	if (fd < 0) {
		message->header.msg_control = NULL;
		message->header.msg_controllen = 0;
		return;
	}
	message->control.header.cmsg_level = SOL_SOCKET;
	message->control.header.cmsg_type = SCM_RIGHTS;
	message->control.header.cmsg_len = CMSG_LEN(sizeof(int));
	__builtin_memcpy(CMSG_DATA(&message->control.header), &fd, sizeof(fd));
}

/* The descriptor that came with what was received, now the caller's; -1: none. */
static inline int program_packet_descriptor(const struct program_packet_message *message)
{
	int fd = -1;

	if (message->header.msg_controllen >= CMSG_LEN(sizeof(int)) &&
	    message->control.header.cmsg_level == SOL_SOCKET &&
	    message->control.header.cmsg_type == SCM_RIGHTS &&
	    message->control.header.cmsg_len >= CMSG_LEN(sizeof(int)))
		__builtin_memcpy(&fd, CMSG_DATA(&message->control.header), sizeof(fd));
	return fd;
}

#endif
