/* SPDX-License-Identifier: MIT */
/*
 * Inside of the hist engine. A trigger text becomes nodes (hist_field.c), handlers and actions
 * (hist_action.c), and a place among the triggers of its event (hist_trigger.c); records run
 * through the nodes into the map (hist_run.c, hist_map.c).
 */
#ifndef SONDE_EXPR_HIST_PRIVATE_H
#define SONDE_EXPR_HIST_PRIVATE_H

#include "base/arena.h"
#include "expr/hist.h"
#include "expr/hist_map.h"
#include "expr/kfilter.h"

/* The kernel's limits. */
enum {
	HIST_KEYS = 3,
	HIST_VALS = 3, /* hitcount and two more */
	HIST_VARS = 16,
	HIST_ACTIONS = 8,
	HIST_SORTS = 2,
	HIST_PARAMS = 64,
	HIST_STRING_BYTES = 256,
	HIST_COMM_BYTES = 16,
	HIST_KEY_BYTES = HIST_STRING_BYTES + HIST_STACK_DEPTH * 8,
	HIST_DEFAULT_BITS = 11,
	HIST_MIN_BITS = 7,
	HIST_MAX_BITS = 17,
	HIST_DIV_SHIFT = 20,
	HIST_ERRORS = 8, /* that the kernel's error_log keeps */
	HIST_NODES = HIST_KEYS + HIST_VALS + HIST_VARS,
	HIST_TRIGGER_BYTES = 4096,
};

enum hist_op {
	HIST_OP_NONE, /* a stack: has no number */
	HIST_OP_REF,
	HIST_OP_ONE,
	HIST_OP_CONST,
	HIST_OP_LOG2,
	HIST_OP_BUCKET,
	HIST_OP_TIME,
	HIST_OP_CPU,
	HIST_OP_TEXT,	  /* char array in the record */
	HIST_OP_DYNAMIC,  /* __data_loc */
	HIST_OP_RELATIVE, /* __rel_loc */
	HIST_OP_NUMBER,
	HIST_OP_NEGATE,
	HIST_OP_SUB,
	HIST_OP_ADD,
	HIST_OP_DIV,
	HIST_OP_MUL,
	HIST_OP_DIV_SHIFT,
	HIST_OP_DIV_CONST,
	HIST_OP_DIV_ROUND, /* by a small constant: the kernel's rounds up */
	HIST_OP_COMM,
	HIST_OP_STACK_FIELD,
	HIST_OP_DURATION, /* of a call; default mode only */
};

enum hist_node_flags {
	NODE_HITCOUNT = 1 << 0,
	NODE_KEY = 1 << 1,
	NODE_STRING_VALUE = 1 << 2,
	NODE_HEX = 1 << 3,
	NODE_SYM = 1 << 4,
	NODE_SYM_OFFSET = 1 << 5,
	NODE_EXECNAME = 1 << 6,
	NODE_SYSCALL = 1 << 7,
	NODE_STACK = 1 << 8,
	NODE_LOG2 = 1 << 9,
	NODE_TIME = 1 << 10,
	NODE_USECS = 1 << 11,
	NODE_VAR = 1 << 12,
	NODE_EXPR = 1 << 13,
	NODE_REF = 1 << 14,
	NODE_CPU = 1 << 15,
	NODE_ALIAS = 1 << 16,
	NODE_BUCKET = 1 << 17,
	NODE_CONST = 1 << 18,
	NODE_PERCENT = 1 << 19,
	NODE_GRAPH = 1 << 20,
};

struct hist_data;

/* A key, value, variable, or a part of one. */
struct hist_node {
	enum hist_op op, arithmetic; /* arithmetic: of an expression, as it was written */
	uint32_t flags;
	const struct event_field *field;
	bool string_field; /* the field is one, whatever is made of it */
	bool stack_type;   /* the field is a stack */
	const char *type;  /* as the kernel names it: "char[16]", "__data_loc char[]" */
	uint32_t size, offset;
	bool is_signed;
	uint64_t buckets, constant, multiplier;
	struct hist_node *operands[2];
	const char *name;      /* of expressions and references */
	const char *full_name; /* of references, with the event's name where the text has it */
	const char *system, *event_name;
	const char *var;	     /* the variable that this defines */
	struct hist_data *var_owner; /* whose variable this is, or refers to */
	uint32_t var_index;
	uint32_t ref_index;
	bool read_once;
	uint32_t string_index;
};

struct hist_field_var {
	struct hist_node *var, *val;
};

enum hist_handler {
	HIST_ONMATCH = 1,
	HIST_ONMAX,
	HIST_ONCHANGE
};

enum hist_do {
	HIST_SAVE = 1,
	HIST_TRACE,
	HIST_SNAPSHOT
};

struct hist_synthetic;

struct hist_action {
	enum hist_handler handler;
	enum hist_do action;
	const char *name; /* as written: "trace", "save", or the synthetic event's */
	const char *params[HIST_PARAMS];
	uint32_t nr_params;
	bool trace_keyword;
	const char *synthetic_name;
	const char *match_system, *match_event; /* onmatch */
	const char *tracked;			/* onmax, onchange: "$var" */
	struct hist_node *ref;			/* to it */
	uint32_t track_var;			/* where the largest or last is kept */
	struct hist_synthetic *synthetic;
	uint32_t refs[HIST_PARAMS];
};

/* A trigger's text, taken apart. */
struct hist_attrs {
	char *keys, *vals, *sort, *name, *clock;
	bool pause, cont, clear, usecs, no_hitcount;
	unsigned int bits;
	char *assignments[HIST_VARS];
	uint32_t nr_assignments;
	char *actions[HIST_ACTIONS];
	uint32_t nr_actions;
	const char *var_names[HIST_VARS];
	const char *var_texts[HIST_VARS];
	uint32_t nr_vars;
};

struct hist_sort {
	uint32_t field; /* among those of the map; 0: hitcount */
	bool descending;
};

/* Shared by the triggers of one name. */
struct hist_data {
	struct hist_set *set;
	struct arena arena;
	uint32_t refs; /* triggers */
	const struct event *event;
	struct hist_attrs attrs;
	struct hist_node *nodes[HIST_NODES]; /* values and variables, then keys */
	uint32_t nr_nodes, nr_vals, nr_keys, nr_vars;
	uint32_t nr_var_strings;
	uint32_t key_size;
	struct hist_sort sorts[HIST_SORTS];
	uint32_t nr_sorts;
	bool times; /* uses common_timestamp */
	struct hist_node *var_refs[HIST_VARS];
	uint32_t nr_var_refs;
	struct hist_action *actions[HIST_ACTIONS];
	uint32_t nr_actions;
	struct hist_field_var field_vars[HIST_PARAMS];
	uint32_t nr_field_vars, nr_field_strings;
	struct hist_field_var save_vars[HIST_PARAMS];
	uint32_t nr_save_vars, nr_save_strings;
	uint32_t nr_field_hists;
	struct hist *field_hists[HIST_PARAMS]; /* triggers that were added for this one */
	bool wants_comm, wants_stack, saved;
	struct hist_map map;
	uint64_t unmatched, poisoned;
	/* snapshot(): what the kernel would have taken it for */
	bool snapshot_taken;
	uint64_t snapshot_value;
	uint8_t snapshot_key[HIST_KEY_BYTES];
	char snapshot_comm[HIST_COMM_BYTES];
};

struct hist {
	struct hist_set *set;
	const struct event *event;
	struct hist_data *data;
	const char *name;  /* "name=..." */
	char *filter_text; /* behind "if ", or NULL */
	struct kfilter *filter;
	bool paused;
	struct hist *next; /* of the same event */
};

struct hist_event_slot {
	struct hist *first;
	bool stack;
};

struct synth_field {
	const char *type, *name; /* type as the kernel names it */
	uint32_t size;
	bool is_string, is_dynamic, is_stack, is_signed;
};

struct hist_synthetic {
	struct arena arena;
	const char *name;
	struct synth_field fields[HIST_PARAMS];
	uint32_t nr_fields;
	uint32_t offsets[HIST_PARAMS];
	uint32_t size;	     /* of a record without its dynamic parts */
	struct event_db *db; /* holds the event alone */
	const struct event *event;
	uint32_t refs;
};

struct hist_error {
	const char *message, *place, *command;
	size_t at;
};

struct hist_set {
	const struct event_db *db;
	struct hist_options options;
	struct kfilter_kernel filters; /* what its filters can do */
	struct hist_synthetic **synthetics;
	size_t nr_synthetics, cap_synthetics;
	uint16_t next_id;	/* for a synthetic event */
	struct hist **triggers; /* in the order of adding */
	size_t nr_triggers, cap_triggers;
	struct hist_data **var_data; /* those with variables, newest first */
	size_t nr_var_data, cap_var_data;
	struct hist_event_slot *slots; /* by event id, up to the largest that has triggers */
	size_t nr_slots, cap_slots;
	struct hist_data *snapshot; /* the one that has snapshot() */
	const struct event *calls;  /* or NULL */
	bool filters_ask_comm;
	hist_comm_fn *comm;
	void *comm_arg;
	hist_emit_fn *emit;
	void *emit_arg;
	uint64_t serial; /* of the record at work, from 1 */
	uint64_t *lost;	 /* by CPU: after which record events were lost there */
	size_t nr_lost, cap_lost;
	unsigned int depth; /* synthetic events that fire others */
	struct err *err;
	/* of the last text */
	char *command, *place, *filter_command;
	struct hist_error errors[HIST_ERRORS];
	size_t nr_errors;
};

/* The triggers of an event, in their order. */
static inline struct hist *hist_first(const struct hist_set *set, const struct event *event)
{
	return event->id < set->nr_slots ? set->slots[event->id].first : NULL;
}

/* Messages are the kernel's. `text`: the caret stands where it first occurs; NULL: at 0. */
void hist_refuse(struct hist_set *set, const char *message, const char *text);

/* hist_expr.c, hist_field.c; a node, or NULL with a code in *ret_code. Texts are changed in place.
 */
struct hist_node *hist_parse_expr(struct hist_data *data, char *text, uint32_t flags,
				  const char *var, unsigned int *depth, int *ret_code);
struct hist_node *hist_parse_atom(struct hist_data *data, char *text, uint32_t flags,
				  const char *var, int *ret_code);
struct hist_node *hist_make_node(struct hist_data *data, const struct event_field *field,
				 uint32_t flags, const char *var);
struct hist_node *hist_make_ref(struct hist_data *data, struct hist_node *var, const char *system,
				const char *event_name);
struct hist_node *hist_find_own_var(const struct hist_data *data, const char *name);
struct hist_node *hist_find_event_var(struct hist_data *data, const char *system,
				      const char *event_name, const char *name);
bool hist_has_vars(const struct hist_node *node, unsigned int level);
const char *hist_node_name(const struct hist_data *data, const struct hist_node *node);
/* A name with its '$' and modifier, as in the normalised text of expressions. */
void hist_node_text(const struct hist_data *data, const struct hist_node *node, struct out *out);
const char *hist_modifier(const struct hist_node *node);
const char *hist_field_type(struct arena *arena, const struct event *event,
			    const struct event_field *field);
enum hist_op hist_find_operator(char *text, char **ret_place);
/* The kernel's division by a constant, of values below 2^20: rounds up. */
uint64_t hist_divide_up(uint64_t value, uint64_t divisor);
int hist_parse_number(const char *text, uint64_t *ret_value);
#define HIST_BLANKS " \t\n\v\f\r"
/* Without blanks at its ends; those behind it are cut off in place. */
char *hist_strip(char *text);

/* hist_build.c */
int hist_data_new(struct hist_set *set, const struct event *event, struct hist_attrs *attrs,
		  struct arena *arena, bool remove, struct hist_data **ret_data);
void hist_data_free(struct hist_data *data);

/* hist_attrs.c */
int hist_parse_attrs(struct hist_set *set, struct arena *arena, char *text,
		     struct hist_attrs *ret_attrs);

/* hist_action.c */
int hist_parse_actions(struct hist_data *data);
int hist_create_actions(struct hist_data *data);
bool hist_actions_match(const struct hist_data *a, const struct hist_data *b);
void hist_print_actions(const struct hist_data *data, struct out *out);

/* hist_trigger.c: a trigger's text without "hist:", as others need it. */
int hist_add_trigger(struct hist_set *set, const struct event *event, const char *text,
		     struct hist **ret_hist);
/* A new text: messages from here on are about it. */
int hist_begin_text(struct hist_set *set, const char *prefix, const char *text, const char *place);
int hist_report_error(const struct hist_set *set, int code, const char *text, struct err *err);

/* hist_synth.c */
struct hist_synthetic *hist_find_synthetic(const struct hist_set *set, const char *name);
int hist_check_param(const struct hist_synthetic *synthetic, const struct hist_node *node,
		     uint32_t position);
int hist_fire(struct hist_set *set, const struct hist_synthetic *synthetic,
	      const struct hist_record *cause, const uint64_t *values, const uint32_t *refs);
void hist_synthetics_done(struct hist_set *set);

/* The node of a field of the map, as sort keys number them. */
static inline struct hist_node *hist_map_field(const struct hist_data *data, uint32_t field)
{
	return data->nodes[field < data->nr_vals - data->nr_vars ? field : field + data->nr_vars];
}

/* hist_print.c */
void hist_print_key(const struct hist_data *data, const uint8_t *key, const char *comm,
		    struct out *out);

/* hist_run.c: the name of a task, to be kept with an element (HIST_COMM_BYTES of zeros). */
void hist_keep_comm(const struct hist_set *set, int32_t pid, char *comm);

/* hist_rows.c: the elements in the order of the trigger; nr_elements of them. */
int hist_sort_elements(const struct hist_data *data, uint8_t ***ret_elements);

#endif
