/* SPDX-License-Identifier: MIT */
/*
 * Event formats: the text of an event's `format` file, compiled once into field offsets and a
 * print program, and records shown through it. Nothing is parsed or allocated per record.
 *
 * An event_db is filled by one thread, sealed, and then read by any number of threads.
 */
#ifndef SONDE_EVENT_EVENT_H
#define SONDE_EVENT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/out.h"
#include "symbol/symbols.h"

enum event_field_flags {
	EVENT_FIELD_ARRAY = 1 << 0, /* fixed, dynamic or relative array */
	EVENT_FIELD_POINTER = 1 << 1,
	EVENT_FIELD_SIGNED = 1 << 2,
	EVENT_FIELD_STRING = 1 << 3,   /* char array */
	EVENT_FIELD_DYNAMIC = 1 << 4,  /* __data_loc: u32 of offset (low 16) and length (high 16) */
	EVENT_FIELD_RELATIVE = 1 << 5, /* __rel_loc: offset counts from behind the u32 */
	EVENT_FIELD_LONG = 1 << 6,     /* C type long, pointers excluded */
	EVENT_FIELD_COMMON = 1 << 7,   /* one of the common_ fields */
};

struct event_field {
	const char *name, *type; /* type as in the format text: "char", "unsigned long", ... */
	uint32_t offset, size;	 /* bytes from the start of the payload */
	uint32_t elem_size;	 /* of an array's element; size when it is no array */
	uint32_t array_len;	 /* elements; 0 when not known from the text */
	uint32_t flags;		 /* EVENT_FIELD_* */
};

struct event_program; /* compiled print fmt */
struct event_db;

struct event {
	uint16_t id;
	const char *name, *system;
	uint32_t name_len;
	const struct event_field *fields; /* common fields first, in the order of the text */
	uint32_t nr_fields, nr_common;
	const char *print_fmt; /* the text behind "print fmt: ", "" when missing */
	const char *format;    /* the whole format text, as recorded */
	uint32_t format_len;
	/*
	 * NULL when the print fmt could not be understood. trace-cmd 3.1 understands less: its text
	 * (compat 31) may be `[FAILED TO PARSE]` all the same.
	 */
	struct event_program *program;
	const char *parse_error; /* why, or NULL; also NULL where a handler prints the event */
	struct event_db *db;
	/*
	 * What the reader must know of an event beside its fields; fixed at compile time, from
	 * system and name (ftrace/function, ftrace/funcgraph_entry, sched/sched_switch, ...).
	 */
	uint8_t kind; /* enum event_kind */
};

enum event_kind {
	EVENT_PLAIN,
	EVENT_FUNCTION,
	EVENT_GRAPH_ENTRY,
	EVENT_GRAPH_EXIT,
	EVENT_KERNEL_STACK,
	EVENT_USER_STACK,
	EVENT_SCHED_SWITCH,
	EVENT_SCHED_WAKEUP, /* sched_wakeup and sched_wakeup_new */
};

/* Where the common fields lie; the same for all events of a db. */
struct event_common {
	uint32_t type_offset, type_size;
	uint32_t flags_offset, flags_size;
	uint32_t preempt_offset, preempt_size;
	uint32_t pid_offset, pid_size;
	int32_t migrate_disable_offset; /* -1 when the kernel does not have it */
	int32_t lock_depth_offset;	/* -1 likewise */
};

/* What a db needs to know of the traced machine before formats are added. */
struct event_db_options {
	bool big_endian;
	uint8_t long_size; /* kernel's sizeof(long): 4 or 8 */
	bool no_handlers;  /* report -N: plain print fmt for all events, no built-in handlers */
};

int event_db_new(struct event_db **ret_db, const struct event_db_options *options) _must_check_;
void event_db_free(struct event_db *db);

/*
 * Add one format text. A text whose fields can be read but whose print fmt cannot is added all the
 * same (event->program NULL, parse_error set). -EBADMSG when not even name, ID and fields can be
 * read; err says where, with a caret. A second text with the same id is ignored (returns 0).
 */
int event_db_add_format(struct event_db *db, const char *system, const char *text, size_t len,
			struct err *err) _must_check_;
int event_db_add_printk(struct event_db *db, const char *text, size_t len) _must_check_;
int event_db_add_cmdlines(struct event_db *db, const char *text, size_t len) _must_check_;
int event_db_add_cmdline(struct event_db *db, int32_t pid, const char *comm) _must_check_;
/* Takes ownership of `symbols`, which must be sealed. */
void event_db_set_symbols(struct event_db *db, struct symbols *symbols);
/* Last step before printing. */
int event_db_seal(struct event_db *db) _must_check_;

const struct event_common *event_db_common(const struct event_db *db);
const struct symbols *event_db_symbols(const struct event_db *db); /* never NULL after seal */
bool event_db_big_endian(const struct event_db *db);
uint8_t event_db_long_size(const struct event_db *db);

const struct event *event_db_by_id(const struct event_db *db, uint16_t id); /* NULL: unknown */
const struct event *event_db_by_name(const struct event_db *db, const char *system, /* or NULL */
				     const char *name);
size_t event_db_count(const struct event_db *db);
/* Has it events of which compat 31 shows arrays in the way that event_print tells of? */
bool event_db_text_follows(const struct event_db *db);
const struct event *event_db_at(const struct event_db *db, size_t index); /* in order of adding */

/* Recorded command name of a pid: NULL when not recorded. Pid 0 is "<idle>". */
const char *event_db_comm(const struct event_db *db, int32_t pid);
/*
 * Where a pid's names are among all that were recorded, in the order of pids: returns how many
 * there are in all, *ret_before of smaller pids and *ret_same of this one.
 */
size_t event_db_comm_rank(const struct event_db *db, int32_t pid, size_t *ret_before,
			  size_t *ret_same);

/* Text of a trace_printk format by its address; NULL when not recorded. */
const char *event_db_printk(const struct event_db *db, uint64_t addr);
size_t event_db_nr_printks(const struct event_db *db);
const char *event_db_printk_at(const struct event_db *db, size_t index, /* in address order */
			       uint64_t *ret_addr);

/* --- reading fields. `data` and `len` are one record's payload. --- */

const struct event_field *event_field_find(const struct event *event, const char *name);
/* Integer value, sign- or zero-extended by the field's type; 0 when the record is too short. */
uint64_t event_field_u64(const struct event *event, const struct event_field *field,
			 const void *data, uint32_t len);
/*
 * Bytes of an array or string field, dynamic and relative ones resolved: borrowed from the record,
 * clipped to it. Returns NULL (and length 0) when it lies outside.
 */
const void *event_field_bytes(const struct event *event, const struct event_field *field,
			      const void *data, uint32_t len, uint32_t *ret_len);

/* --- printing --- */

enum event_print_flags {
	EVENT_PRINT_RAW = 1 << 0, /* -R: ` name=value` for every field */
	EVENT_PRINT_NO_HANDLER =
		1 << 1, /* -n, -N: the kernel's print fmt even where a handler exists */
};

/* Options of built-in handlers (`report -O name=value`). Plain data; defaults by
 * event_options_init. */
struct event_options {
	bool function_parent;					    /* parent: ` <-- parent` */
	bool function_indent;					    /* indent: on by default */
	bool function_offset;					    /* offset: `+0x1c ` */
	bool graph_tailprint;					    /* fgraph:tailprint */
	bool graph_depth;					    /* fgraph:depth */
	bool graph_retval_skip, graph_retval_dec, graph_retval_hex; /* fgraph:retval-* */
	bool futex_raw; /* reserved for handlers of single events */
};

enum event_time {
	EVENT_TIME_US,
	EVENT_TIME_NS,
	EVENT_TIME_RAW
};

/* What a handler must know beside the record itself; set by the reader. */
struct event_context {
	const struct event_options *options;
	uint32_t cpu;
	uint64_t ts;	 /* as displayed, after clock conversion */
	uint32_t indent; /* function: levels, from the reader's per-CPU stack */
	/* funcgraph_entry whose exit is the next event: the exit's record, else NULL */
	const struct event *leaf_exit;
	const void *leaf_data;
	uint32_t leaf_len;
	int compat;	      /* 31: trace-cmd 3.1's text; 34: 3.3 and newer */
	enum event_time time; /* how times are shown: only func_repeats has one of its own */
};

/*
 * Append the info text of one record (what follows `name: `), without a newline of its own unless
 * the event's text has one inside. `flags` is EVENT_PRINT_*. A record that is too short for a field
 * prints that field as 0 or empty, never reads outside. Thread-safe on a sealed db; but with
 * EVENT_PRINT_RAW, or of an event whose print fmt cannot be read, and compat 31 the text of char
 * arrays depends on the records printed before (as in trace-cmd), so that one thread must print all
 * records in order to get the same text.
 */
void event_print(const struct event *event, const void *data, uint32_t len, unsigned int flags,
		 const struct event_context *context, struct out *out);

/* The i-th event that has a built-in handler, from 0; false when there are no more. */
bool event_handler_name(size_t i, const char **ret_system, const char **ret_event);

#endif
