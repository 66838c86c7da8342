/* SPDX-License-Identifier: MIT */
/*
 * libsonde-rt.so: what lives inside a traced program. Freestanding: no libc, no allocation, no
 * lock, no output. Constants are also used by assembly: what is not for it stands under #ifndef
 * __ASSEMBLER__. docs/design/runtime.md says how it works.
 */
#ifndef SONDE_RUNTIME_RUNTIME_H
#define SONDE_RUNTIME_RUNTIME_H

/* struct rt_thread, for assembly; asserted below. */
#define RT_STACK_LOW	32
#define RT_STACK_SIZE	40
#define RT_EPOCH	48
#define RT_ROOT		56

#define RT_SHADOW_SHIFT 44
#define RT_TO_DISPLACED 21 /* PROGRAM_ENTRY_TO_DISPLACED */

#include "runtime/events.h"

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "program/layout.h"
#include "program/protocol.h"
#include "ring/writer.h"

/*
 * One a thread, in initial-exec TLS, all zeros at first. Stack pointers inside [stack_low,
 * stack_low
 * + stack_size) are known to be this thread's: not those of a child that shares its memory, whose
 * restartable sequences the kernel does not watch. epoch is that of the process the thread was seen
 * in: after fork it is another.
 */
struct rt_thread {
	struct ring_thread ring;
	uint64_t stack_low, stack_size;
	uint32_t epoch;
	uint32_t alone_tid;
	uint64_t root;		  /* stack pointer at the outermost function of -g, 0: in none */
	struct ring_thread alone; /* of a child that runs in this thread's memory */
};
_Static_assert(offsetof(struct rt_thread, ring) == 0, "ring");
_Static_assert(offsetof(struct rt_thread, stack_low) == RT_STACK_LOW, "stack_low");
_Static_assert(offsetof(struct rt_thread, stack_size) == RT_STACK_SIZE, "stack_size");
_Static_assert(offsetof(struct rt_thread, epoch) == RT_EPOCH, "epoch");
_Static_assert(offsetof(struct rt_thread, root) == RT_ROOT, "root");
_Static_assert(PROGRAM_SHADOW >> RT_SHADOW_SHIFT == 1, "shadow");
_Static_assert(PROGRAM_ENTRY_TO_DISPLACED == RT_TO_DISPLACED, "displaced");

extern __thread struct rt_thread rt_thread __attribute__((tls_model("initial-exec")));

/* A range of addresses; size 0: none. */
struct rt_range {
	uint64_t low, size;
};

/* The arenas near the program, and those near the libraries: all that the assembly tests. */
extern struct rt_range rt_clusters[2];
extern struct ring_header *rt_session;
extern struct rt_range rt_shadowed; /* stack pointers that have a shadow slot */
extern uint64_t *rt_counters;	    /* of CPU 0; -p count */

/* entry_x86.S: what the words of an arena point to, and what the loader calls. */
void rt_entry(void);
void rt_exit(void);
void rt_entry_only(void);
void rt_inside_entry(void);
void rt_inside_exit(void);
void rt_inside_entry_only(void);
void rt_root_entry(void);
void rt_root_exit(void);
void rt_count(void);
void rt_debug_state(void);

/* thread.c; called from assembly. */
int rt_look(uint64_t sp, uint32_t address, uint32_t type);
void rt_write(uint64_t sp, uint32_t address, uint32_t type);
void rt_count_outside(uint64_t sp, uint32_t counter);
bool rt_threads_init(void);

/* modules.c */
struct rt_arena {
	uint64_t low, size;
	uint64_t eh_frame_hdr; /* address */
};
/* All modules that are new since the last call; `socket` is connected and greeted. */
void rt_modules_trace(int socket, bool first);
/* The loader's list has changed. */
void rt_modules_changed(void);
/* The arena that holds this address, or NULL. Any context. */
const struct rt_arena *rt_arena_find(uint64_t address);

/* start.c */
/* Connect and greet: the socket, or a negative errno. *ret_fd: the memory of the session. */
int rt_connect(struct program_session *ret_session, int *ret_fd);
void rt_fail(int socket, enum program_failure failure, int error, const char *name);
/* Packets with one descriptor each (-1: none); the length received, or a negative errno. */
long rt_send(int socket, const void *data, size_t len, int fd);
long rt_receive(int socket, void *data, size_t len, int *ret_fd);
extern struct program_session rt_plan;

/* loader.c: what is needed of the dynamic loader. */
struct r_debug;
bool rt_loader_is_glibc(void);
const struct r_debug *rt_loader_state(void);
void rt_loader_init(void);

void *memcpy(void *to, const void *from, size_t len);
void *memset(void *to, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);

#endif
#endif
