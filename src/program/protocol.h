/* SPDX-License-Identifier: MIT */
/*
 * What a traced process and its recorder say to each other, before main and after each dlopen: over
 * a SOCK_SEQPACKET unix socket in the abstract namespace whose name is in the environment. One
 * packet is one structure of this header, some with a descriptor (SCM_RIGHTS):
 *
 *   process                                   recorder
 *   HELLO                                 ->
 *                                         <-  SESSION + the memory of the session
 *   MODULE + the file, the program first  ->
 *                                         <-  IMAGE + the image (program/layout.h), or NOTHING
 *   ... the other modules ...
 *   FAILED, when something could not be   ->
 *
 * then the process closes. And before it executes another program, on a connection of its own,
 * which is not answered:
 *
 *   EXEC + the file (O_PATH)              ->
 *   EXEC_FAILED, when it came back        ->
 *
 * The kernel closes that one when the program is executed (close-on-exec). Freestanding.
 */
#ifndef SONDE_PROGRAM_PROTOCOL_H
#define SONDE_PROGRAM_PROTOCOL_H

#include <stdint.h>

#define PROGRAM_PROTOCOL	3u
#define PROGRAM_ENVIRONMENT	"SONDE_SESSION"
#define PROGRAM_PRELOAD		"LD_PRELOAD"
#define PROGRAM_RUNTIME		"libsonde-rt.so"
#define PROGRAM_SOCKET_NAME_MAX 96u
#define PROGRAM_MODULE_NAME_MAX 1024u
#define PROGRAM_DEPTH_MAX	128u

enum program_packet {
	PROGRAM_HELLO = 1,
	PROGRAM_SESSION,
	PROGRAM_MODULE,
	PROGRAM_IMAGE,
	PROGRAM_NOTHING,
	PROGRAM_FAILED,
	PROGRAM_EXEC,
	PROGRAM_EXEC_FAILED,
};

struct program_hello { /* HELLO, EXEC, EXEC_FAILED */
	uint32_t packet, version;
	int32_t pid; /* in its own namespace */
	uint32_t pad;
};

#define PROGRAM_SESSION_ROOTS                                                                      \
	1u /* some functions are roots (-g): only what they call is traced                         \
	    */

#define PROGRAM_SESSION_RETURNS 2u /* there are probes of returns */

enum program_session_mode {
	PROGRAM_SESSION_GRAPH,
	PROGRAM_SESSION_FUNCTION,
	PROGRAM_SESSION_COUNT
};

struct program_session {
	uint32_t packet, version;
	uint32_t mode; /* enum program_session_mode */
	uint32_t flags;
	uint32_t max_depth; /* of calls that are followed; 0: no limit */
	uint32_t pad;
	uint64_t threshold; /* what calls are longer than, in units of the clock; 0: record all */
};

#define PROGRAM_MODULE_IS_PROGRAM 1u /* the executable */
#define PROGRAM_MODULE_IS_KNOWN	  2u /* it has its image, or is to have none: answered by NOTHING */
#define PROGRAM_MODULE_IS_LAST	  4u /* after its answer the process goes on */

struct program_module {
	uint32_t packet, flags;
	uint64_t bias;			    /* what is added to the addresses of the file */
	uint64_t low, high;		    /* where the arena may lie: addresses in the process */
	char name[PROGRAM_MODULE_NAME_MAX]; /* path as the process knows it */
};

struct program_answer { /* IMAGE, NOTHING */
	uint32_t packet;
	uint32_t base; /* of its code [text_low, text_high), as linked, among trace addresses */
	uint64_t text_low, text_high; /* both 0: it has none */
};

enum program_failure {
	PROGRAM_FAILURE_SHADOW = 1, /* no room for shadow slots: functions are seen at entry only */
	PROGRAM_FAILURE_ARENA,	    /* no room for stubs near a module */
	PROGRAM_FAILURE_MAP,	    /* an image could not be mapped */
	PROGRAM_FAILURE_CHANGED,    /* a module's code is not what its file says */
	PROGRAM_FAILURE_RING,	    /* the memory of the session could not be mapped */
	PROGRAM_FAILURE_VALGRIND,   /* its instructions are valgrind's */
	PROGRAM_FAILURE_SHSTK,	    /* the processor compares return addresses (CET) */
	PROGRAM_FAILURE_NAMESPACE,  /* a module in a namespace of the loader's (dlmopen) */
};

struct program_failed {
	uint32_t packet, failure;
	int32_t error; /* negative errno, or 0 */
	int32_t pid;
	char name[PROGRAM_MODULE_NAME_MAX]; /* of the module, or "" */
};

#endif
