/* SPDX-License-Identifier: MIT */
/*
 * libsonde-rt.so: what lives inside a traced program. Freestanding: no libc, no allocation, no
 * lock, no output. Constants are also used by assembly: what is not for it stands under #ifndef
 * __ASSEMBLER__. docs/design/runtime.md says how it works.
 */
#ifndef SONDE_RUNTIME_RUNTIME_H
#define SONDE_RUNTIME_RUNTIME_H

/* struct rt_thread, for assembly; asserted below. */
#define RT_STACK_LOW	       32
#define RT_STACK_SIZE	       40
#define RT_EPOCH	       48
#define RT_ROOT		       56
#define RT_DEEP_LOW	       64
#define RT_DEEP_SIZE	       72

#define RT_SHADOW	       0x1000000002c0 /* PROGRAM_SHADOW */
#define RT_TIMES	       3 /* the time of the call at A is at A - RT_TIMES * RT_SHADOW */
#define RT_OPENS	       4 /* the same: what was open before it; where depth is asked for */
#define RT_NEXTS	       5 /* the same: where the call goes on, of functions whose return is probed */
#define RT_TO_DISPLACED	       21  /* PROGRAM_ENTRY_TO_DISPLACED */
#define RT_RETURN_TO_DISPLACED 26  /* PROGRAM_RETURN_TO_DISPLACED */
#define RT_RED_ZONE	       128 /* PROGRAM_RED_ZONE */

#include "runtime/events.h"

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "program/hists.h"
#include "program/layout.h"
#include "program/protocol.h"
#include "program/watch.h"
#include "ring/writer.h"

/* A function that took the place of another by a jump, and is counted when both have ended. */
struct rt_tail {
	uint64_t sp; /* 0: free, or about to be filled; 1: it has ended */
	uint64_t begin;
	uint32_t address, pad;
};
#define RT_TAILS_MAX 32u

#define RT_HINTS     128u

/* Where a function goes on that is to return to one which had jumped to it, of another such. */
struct rt_next {
	uint64_t sp; /* as of a tail */
	uint64_t to;
};
#define RT_NEXTS_MAX 64u

/* Calls of a thread that are open and followed, on all its stacks. More than the largest depth. */
#define RT_OPEN_MAX 192u

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
	uint64_t root; /* stack pointer at the outermost function of -g, 0: in none */
	/* --max-graph-depth: stack pointers below the deepest call that is followed. */
	uint64_t deep_low, deep_size;
	struct ring_thread alone; /* of a child that runs in this thread's memory */
	uint64_t innermost;	  /* filters by depth: the place of the last open call, or 0 */
	uint32_t comms;		  /* which names that filters ask for it has, bits, */
	uint32_t nr_comms;	  /* of this many */
	uint32_t nr_open;
	uint64_t open[RT_OPEN_MAX]; /* their places on the stack */
	uint64_t since;		    /* histograms: calls that began before are another process's */
	uint32_t nr_tails;
	struct rt_tail tails[RT_TAILS_MAX];
	/* Where in histograms the last event of a function was counted: the lower half of the
	 * histogram's address, and the element. */
	uint64_t hints[RT_HINTS];
	uint32_t nr_nexts; /* probes of returns */
	struct rt_next nexts[RT_NEXTS_MAX];
};
_Static_assert(offsetof(struct rt_thread, ring) == 0, "ring");
_Static_assert(offsetof(struct rt_thread, stack_low) == RT_STACK_LOW, "stack_low");
_Static_assert(offsetof(struct rt_thread, stack_size) == RT_STACK_SIZE, "stack_size");
_Static_assert(offsetof(struct rt_thread, epoch) == RT_EPOCH, "epoch");
_Static_assert(offsetof(struct rt_thread, root) == RT_ROOT, "root");
_Static_assert(offsetof(struct rt_thread, deep_low) == RT_DEEP_LOW, "deep_low");
_Static_assert(offsetof(struct rt_thread, deep_size) == RT_DEEP_SIZE, "deep_size");
_Static_assert(PROGRAM_DEPTH_MAX < RT_OPEN_MAX, "depth");
_Static_assert(PROGRAM_SHADOW == RT_SHADOW, "shadow");
_Static_assert(PROGRAM_ENTRY_TO_DISPLACED == RT_TO_DISPLACED, "displaced");
_Static_assert(PROGRAM_RETURN_TO_DISPLACED == RT_RETURN_TO_DISPLACED, "displaced");
_Static_assert(PROGRAM_RED_ZONE == RT_RED_ZONE, "red zone");

/* What is on the way of every event, whatever compilers think of its size, and what is not. */
#define RT_INLINE static inline __attribute__((always_inline))
#define RT_SELDOM static __attribute__((noinline))

extern __thread struct rt_thread rt_thread __attribute__((tls_model("initial-exec")));

/* A range of addresses; size 0: none. */
struct rt_range {
	uint64_t low, size;
};

/* The arenas near the program, and those near the libraries: all that the assembly tests. */
extern struct rt_range rt_clusters[2];
extern struct ring_header *rt_session;
extern struct rt_range rt_shadowed;	  /* stack pointers that have a shadow slot */
extern uint64_t *rt_counters;		  /* of CPU 0; -p count */
extern uint64_t rt_threshold;		  /* --thresh, in units of the clock */
extern struct program_watch *rt_watching; /* filters, or NULL */
extern struct program_session rt_plan;	  /* what the recorder has said */

/*
 * entry_x86.S: what the words of an arena point to. inside: with -g, of functions that it does not
 * name; root: of those that it names; depth: with --max-graph-depth; long: with --thresh; watched:
 * their events are asked about.
 */
void rt_entry(void);
void rt_exit(void);
void rt_entry_only(void);
void rt_inside_entry(void);
void rt_inside_entry_only(void);
void rt_root_entry(void);
void rt_root_exit(void);
void rt_depth_entry(void);
void rt_depth_exit(void);
void rt_depth_entry_only(void);
void rt_inside_depth_entry(void);
void rt_inside_depth_entry_only(void);
void rt_root_depth_entry(void);
void rt_root_depth_exit(void);
void rt_long_entry(void);
void rt_long_exit(void);
void rt_long_entry_only(void);
void rt_inside_long_entry(void);
void rt_root_long_entry(void);
void rt_root_long_exit(void);
void rt_depth_long_entry(void);
void rt_depth_long_exit(void);
void rt_inside_depth_long_entry(void);
void rt_root_depth_long_entry(void);
void rt_root_depth_long_exit(void);
void rt_watched_entry(void);
void rt_watched_exit(void);
void rt_watched_entry_only(void);
void rt_watched_inside_entry(void);
void rt_watched_inside_entry_only(void);
void rt_watched_root_entry(void);
void rt_watched_root_exit(void);
void rt_watched_depth_entry(void);
void rt_watched_depth_exit(void);
void rt_watched_depth_entry_only(void);
void rt_watched_inside_depth_entry(void);
void rt_watched_inside_depth_entry_only(void);
void rt_watched_root_depth_entry(void);
void rt_watched_root_depth_exit(void);
void rt_hist_entry(void);
void rt_hist_exit(void);
void rt_count(void);
void rt_probe(void);
void rt_return_entry(void);
void rt_return(void);
/* process_x86.S: what the loader calls. */
void rt_debug_state(void);

/* thread.c; called from assembly. */
int rt_look(uint64_t sp, uint32_t address, uint32_t type);
void rt_write(uint64_t sp, uint32_t address, uint32_t type);
void rt_write_long(uint64_t sp, uint32_t address);
void rt_count_outside(uint64_t sp, uint32_t counter);
bool rt_threads_init(void);
/* Whether `sp` is on a stack of this thread's own that has slots. */
bool rt_has_slots(uint64_t sp);
/* What whoever runs at `sp` writes with. */
struct ring_thread *rt_ring(uint64_t sp);

/* depth.c; called from assembly: whether a call is followed, and its end is seen; it has ended. */
int rt_depth_begins(uint64_t sp);
void rt_depth_ends(uint64_t sp);
/* Whether one whose end is not seen is to be recorded. */
int rt_depth_allows(uint64_t sp);

/*
 * watch.c; the first is called from assembly. Whether the event is to be recorded by the caller;
 * triggers have acted, and may have recorded it.
 */
int rt_watch(uint64_t sp, uint32_t address, uint32_t type);
/* The same of a function that ends. */
int rt_watch_exit(uint64_t sp, uint32_t address);
/* The same where no stack can be followed, and of a call that took long. */
bool rt_watch_outside(struct ring_thread *ring, uint64_t sp, uint32_t address, uint32_t type);
bool rt_watch_long(uint64_t sp, const struct rt_event_long *event);
/* The same of a probe; `payload` is its record. */
bool rt_watch_probe(struct ring_thread *ring, uint64_t sp, const struct program_probe *probe,
		    const uint64_t *args, const void *payload, uint32_t bytes);
static inline bool rt_follows_depth(void)
{
	return rt_watching && rt_watching->asks_depth;
}
/* The thread is called so. */
void rt_watch_name(struct rt_thread *thread, const char *comm, uint32_t size);

/*
 * hist.c; the first two are called from assembly: the call at `sp` has ended; a function has taken
 * the place of the one at `sp`.
 */
void rt_hist_ends(uint64_t sp, uint32_t address);
void rt_hist_tail(uint64_t sp, uint32_t address);
/* An event has a hist trigger, the index-th: unless the recorder has switched tracing off. */
struct rt_moment;
void rt_hist_event(const struct rt_moment *moment, uint32_t index);
/* A thread begins, or goes on in another process. */
void rt_hist_thread(struct rt_thread *thread);
static inline struct program_hists *rt_hists(void)
{
	return rt_watching && rt_watching->hists_at
		       ? (struct program_hists *)((uintptr_t)rt_watching + rt_watching->hists_at)
		       : NULL;
}
/* The times at which calls begin are noted. */
static inline bool rt_notes_times(void)
{
	return rt_threshold || (rt_watching && rt_watching->asks_duration) || rt_hists();
}
static inline uint64_t *rt_noted(uint64_t sp)
{
	return (uint64_t *)(sp - RT_TIMES * PROGRAM_SHADOW);
}

/* probe.c: the general registers, by the processor's numbers; called from assembly. */
struct rt_registers {
	uint64_t by_number[16];
};
#define RT_RSP 4u
void rt_probe_hit(const struct rt_registers *registers, const struct program_probe *probe);
/* Somebody looks on now: the semaphores of an image's probes. */
void rt_probes_begin(const struct program_image_header *header, uint64_t arena);

/* The same of a return, whose address was at `sp`. */
void rt_probe_returns(const struct rt_registers *registers, const struct program_probe *probe,
		      uint64_t sp);

/*
 * returns.c, called from assembly: a function begins whose return is probed, and its return address
 * is at `sp`; whether its return will be seen. It has returned: where it goes on.
 */
int rt_return_begins(uint64_t sp);
uint64_t rt_return_hit(const struct rt_registers *registers, const struct program_probe *probe);
/* Returns are probed: functions have slots in all modes. */
static inline bool rt_sees_returns(void)
{
	return rt_plan.flags & PROGRAM_SESSION_RETURNS;
}

/*
 * untouched.c: whether [low, low + bytes) is a private mapping of this file of which no page was
 * written to. False also when that cannot be told.
 */
bool rt_is_untouched(int file, uint64_t low, uint64_t bytes);

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
/* The trace address of an address in the code of a module, or the address itself. */
uint64_t rt_trace_address(uint64_t address);
/* Ends with the first result that is not 0, which it returns. */
int rt_arenas_each(int (*each)(const struct rt_arena *arena, void *data), void *data);

/* debugger.c: an entry of the list that debuggers read, in their layout. */
struct rt_debugger_file {
	struct rt_debugger_file *next, *prev;
	uint64_t address, size; /* of an ELF file */
};
#define RT_DEBUGGER_AT 256u /* in the page of the arena's words */
/* Writes the file of an arena whose first page can still be written. */
void rt_debugger_write(const struct program_image_header *image, uint64_t arena);
/* `file` is in memory that stays until it is removed; one that was not added may be, too. */
void rt_debugger_add(struct rt_debugger_file *file, const struct rt_arena *arena);
void rt_debugger_remove(struct rt_debugger_file *file);

/* start.c */
/* Connect and greet: the socket, or a negative errno. *ret_fd: the memory of the session. */
int rt_connect(struct program_session *ret_session, int *ret_fd);
void rt_fail(int socket, enum program_failure failure, int error, const char *name);
/* Packets with one descriptor each (-1: none); the length received, or a negative errno. */
long rt_send(int socket, const void *data, size_t len, int fd);
long rt_receive(int socket, void *data, size_t len, int *ret_fd);
/* The same without a greeting. */
int rt_connect_silently(void);
extern const char *rt_program_path; /* as executed, for where there is no /proc; or NULL */

/* loader.c: what is needed of the dynamic loader. */
struct r_debug;
bool rt_loader_is_glibc(void);
/* What glibc gives to constructors, where it is another C library; NULL: it has none. */
char **rt_loader_environment(void);
/* Find its list of modules; before all that is below. False: a loader that is not known. */
bool rt_loader_find(char **environment);
/* What the kernel says behind the environment, AT_*; 0: nothing. */
uint64_t rt_loader_auxiliary(char **environment, uint64_t type);
bool rt_loader_is_valgrinds(void);
const struct r_debug *rt_loader_state(void);
void rt_loader_init(void);
/* A jump (or another branch of that opcode); false: it does not reach. */
#define RT_JUMP_BYTES 5u
bool rt_loader_jump(uint8_t *ret_jump, uint8_t opcode, uint64_t at, uint64_t to);
/* Change code in this process; false: it stays as it is. */
bool rt_loader_patch(uint64_t at, const uint8_t *code, size_t len);
/* Address of a function of the C library or the loader; 0: there is none. */
uint64_t rt_loader_symbol(const char *name);
/* Whether the module that `address` is in exports `name`. */
bool rt_loader_module_has(uint64_t address, const char *name);

/* exec.c: see to it that the recorder is told of programs that are executed. */
void rt_exec_init(void);
/* process_x86.S: what the C library's functions call, in place of the kernel. */
void rt_exec_call(void);
void rt_exec_at_call(void);
/* A system call that executes a program, and which of its arguments is the environment. */
struct rt_execution {
	long call, arguments[5];
	uint32_t environment;
};
long rt_execute(const struct rt_execution *execution);
/* preload.c: whether a program would end because of the runtime; `path_fd` may be an error. */
bool rt_preload_kills(long path_fd);
/* Without the runtime. Returns, as rt_execute, only on failure. */
long rt_preload_execute(struct rt_execution *execution);
long rt_exec(const char *path, char *const *arguments, char *const *environment);
long rt_exec_at(long directory, const char *path, char *const *arguments, char *const *environment,
		long flags);

/* unwind.c */
struct dl_phdr_info;
typedef int (*rt_iterate_fn)(struct dl_phdr_info *info, size_t size, void *data);
void rt_unwind_init(void);

void *memcpy(void *to, const void *from, size_t len);
void *memset(void *to, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);

#endif
#endif
