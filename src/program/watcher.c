/* SPDX-License-Identifier: MIT */
/*
 * From filters to the questions of watch.h. The conditions of a filter's program are in an order in
 * which each goes on at earlier ones (expr/filter_program.h); so are ours, of which one of them may
 * take several.
 */
#include "program/watcher.h"

#include <errno.h>
#include <fnmatch.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "expr/filter_program.h"
#include "expr/function_pattern.h"
#include "expr/kfilter.h"
#include "expr/trigger.h"
#include "program/common_fields.h"
#include "program/watcher_private.h"

/* --- the fields --- */

/*
 * Not a record's, but what is at hand when the runtime asks; offsets only tell them apart, and a
 * depth is in no record.
 */
#define FIELDS                                                                                     \
	PROGRAM_COMMON_FIELDS                                                                      \
	"\tfield:unsigned int ip;\toffset:8;\tsize:4;\tsigned:0;\n"                                \
	"\tfield:unsigned int sp;\toffset:12;\tsize:4;\tsigned:0;\n"
#define FIELDS_PARENT	"\tfield:unsigned long parent_ip;\toffset:56;\tsize:8;\tsigned:0;\n"
#define FIELDS_DEPTH	"\tfield:unsigned int depth;\toffset:16;\tsize:4;\tsigned:0;\n"
#define FIELDS_DURATION "\tfield:u64 duration;\toffset:48;\tsize:8;\tsigned:0;\n"
#define FIELDS_TIMES                                                                               \
	"\tfield:u64 calltime;\toffset:24;\tsize:8;\tsigned:0;\n"                                  \
	"\tfield:u64 rettime;\toffset:32;\tsize:8;\tsigned:0;\n"
#define FIELDS_END FIELDS_PARENT "\nprint fmt: \"%u\", REC->ip\n"
/* What histograms are of: calls that have ended. */
#define CALLS                                                                                      \
	"name: calls\nID: 2\n" PROGRAM_COMMON_FIELDS                                               \
	"\tfield:unsigned long func;\toffset:40;\tsize:8;\tsigned:0;\n"                            \
	"\tfield:u64 duration;\toffset:48;\tsize:8;\tsigned:0;\n"                                  \
	"\nprint fmt: \"%lu\", REC->func\n"

static const uint8_t sources[] = {
	[0] = PROGRAM_WATCH_TYPE,   [2] = PROGRAM_WATCH_ZERO,	   [3] = PROGRAM_WATCH_ZERO,
	[4] = PROGRAM_WATCH_PID,    [8] = PROGRAM_WATCH_IP,	   [12] = PROGRAM_WATCH_SP,
	[16] = PROGRAM_WATCH_DEPTH, [24] = PROGRAM_WATCH_CALLTIME, [32] = PROGRAM_WATCH_RETTIME,
	[40] = PROGRAM_WATCH_IP,    [48] = PROGRAM_WATCH_DURATION, [56] = PROGRAM_WATCH_PARENT,
};

/* Depth is known where the ends of calls are seen. */
void watcher_put_format(const struct program_watcher *watcher, const char *name, uint32_t id,
			bool ends, struct out *out)
{
	out_printf(out, "name: %s\nID: %u\n" FIELDS, name, id);
	if (watcher->thresh)
		out_str(out, FIELDS_TIMES);
	else if (watcher->mode == PROGRAM_GRAPH)
		out_str(out, FIELDS_DEPTH);
	if (ends && (watcher->thresh || watcher->mode == PROGRAM_GRAPH))
		out_str(out, FIELDS_DURATION);
	out_str(out, FIELDS_END);
	out_cstr(out);
}

static int make_event(struct program_watcher *watcher, struct err *err)
{
	const struct event_db_options options = {.long_size = 8, .no_handlers = true};
	_cleanup_out_ struct out text = {0};
	int r = event_db_new(&watcher->db, &options);

	watcher_put_format(watcher, "func", 1, true, &text);
	if (r == 0 && text.failed)
		r = -ENOMEM;
	if (r == 0)
		r = event_db_add_format(watcher->db, WATCHER_SYSTEM, text.buf, text.len, err);
	if (r == 0)
		r = event_db_add_format(watcher->db, WATCHER_SYSTEM, CALLS, sizeof(CALLS) - 1, err);
	if (r == 0)
		r = event_db_seal(watcher->db);
	if (r < 0)
		return err_sys(err, r, "cannot prepare filters of programs");
	watcher->event = event_db_by_name(watcher->db, WATCHER_SYSTEM, "func");
	watcher->calls = event_db_by_name(watcher->db, WATCHER_SYSTEM, "calls");
	return 0;
}

/* --- conditions --- */

static int add_op(struct program_watcher *watcher, const struct program_watch_op *op,
		  uint16_t *ret_at, struct err *err)
{
	struct program_watch *plan = watcher->plan;

	if (plan->nr_ops == PROGRAM_WATCH_OPS_MAX)
		return err_set(err, -E2BIG, "the filters of programs have more than %u conditions",
			       PROGRAM_WATCH_OPS_MAX);
	*ret_at = plan->nr_ops;
	plan->ops[plan->nr_ops++] = *op;
	return 0;
}

/* A pattern that means the same, of whatever kind it was; false: too long. */
static bool put_pattern(const struct glob *glob, char to[PROGRAM_WATCH_COMM_BYTES])
{
	bool star_first = glob->kind == GLOB_END || glob->kind == GLOB_MIDDLE;
	bool star_last = glob->kind == GLOB_FRONT || glob->kind == GLOB_MIDDLE;
	size_t len = 0;

	if (star_first)
		to[len++] = '*';
	for (size_t i = 0; i < glob->len; i++) {
		if (len + 4 > PROGRAM_WATCH_COMM_BYTES)
			return false;
		if (glob->kind != GLOB_ANY && strchr("*?[\\", glob->text[i]))
			to[len++] = '\\';
		to[len++] = glob->text[i];
	}
	if (star_last)
		to[len++] = '*';
	to[len] = '\0';
	return true;
}

static int find_comm(struct program_watcher *watcher, const struct glob *glob, uint32_t *ret_index,
		     struct err *err)
{
	struct program_watch *plan = watcher->plan;
	char pattern[PROGRAM_WATCH_COMM_BYTES];

	if (!put_pattern(glob, pattern))
		return err_set(err, -E2BIG, "COMM: the pattern '%.80s' is too long", glob->text);
	for (*ret_index = 0; *ret_index < plan->nr_comms; (*ret_index)++) {
		if (!strcmp(plan->comms[*ret_index], pattern))
			return 0;
	}
	if (plan->nr_comms == PROGRAM_WATCH_COMMS_MAX)
		return err_set(err, -E2BIG, "COMM is compared with more than %u names",
			       PROGRAM_WATCH_COMMS_MAX);
	strcpy(plan->comms[plan->nr_comms++], pattern);
	return 0;
}

static int find_name(struct program_watcher *watcher, const char *name, uint32_t *ret_index,
		     struct err *err)
{
	for (*ret_index = 0; *ret_index < watcher->nr_names; (*ret_index)++) {
		if (!strcmp(watcher->names[*ret_index], name))
			return 0;
	}
	if (watcher->nr_names == PROGRAM_WATCH_NAMES_MAX)
		return err_set(err, -E2BIG, "more than %u names of functions are asked for",
			       PROGRAM_WATCH_NAMES_MAX);
	watcher->names[watcher->nr_names] = mem_strdup(name);
	if (!watcher->names[watcher->nr_names])
		return err_sys(err, -ENOMEM, "cannot compile the filter");
	watcher->nr_names++;
	return 0;
}

uint8_t watcher_source(struct program_watcher *watcher, uint32_t offset)
{
	uint8_t source = sources[offset];

	watcher->plan->asks_depth |= source == PROGRAM_WATCH_DEPTH;
	watcher->asks_duration |= source == PROGRAM_WATCH_DURATION;
	return source;
}

/* A field of a probe's event. */
uint8_t watcher_source_of_probe(const struct program_watch_event_of_probes *probe, uint32_t offset)
{
	for (size_t i = 0; i < probe->nr_args; i++) {
		if (probe->args[i].offset + PROGRAM_COMMON_BYTES == offset)
			return (uint8_t)(PROGRAM_WATCH_ARG + i);
	}
	/* Of a return: where the function returns to. */
	return offset == PROGRAM_PROBE_RETURN_AT + PROGRAM_COMMON_BYTES ? PROGRAM_WATCH_PARENT
									: sources[offset];
}

static uint8_t source_of(struct program_watcher *watcher, const struct operand *operand)
{
	if (operand->kind == OPERAND_CPU)
		return PROGRAM_WATCH_CPU;
	return watcher->compiling ? watcher_source_of_probe(watcher->compiling, operand->offset)
				  : watcher_source(watcher, operand->offset);
}

static bool is_function(uint32_t offset)
{
	return sources[offset] == PROGRAM_WATCH_IP || sources[offset] == PROGRAM_WATCH_PARENT;
}

/* What tells whether the function that ran, or the one that called it, has the name. */
static uint8_t ask_name(struct program_watcher *watcher, uint32_t offset, uint32_t name)
{
	if (sources[offset] == PROGRAM_WATCH_PARENT) {
		watcher->called_by |= 1u << name;
		return PROGRAM_WATCH_CALLERS;
	}
	watcher->plan->asks_functions = true;
	return PROGRAM_WATCH_NAMES;
}

/* A list of CPUs: one comparison for each run of them, the last one first. */
static int add_cpus(struct program_watcher *watcher, const struct instruction *in,
		    struct program_watch_op op, uint16_t *ret_at, struct err *err)
{
	uint32_t nr = in->cpus.nr_words * 64, end = 0;
	uint16_t at = op.on_false;

	op.source = source_of(watcher, &in->left);
	for (uint32_t cpu = nr; cpu-- > 0;) {
		bool here = in->cpus.bits[cpu / 64] >> (cpu % 64) & 1;
		bool before = cpu && (in->cpus.bits[(cpu - 1) / 64] >> ((cpu - 1) % 64) & 1);
		int r;

		if (!here)
			continue;
		end = end ? end : cpu;
		if (before)
			continue;
		op.low = cpu;
		op.span = end - cpu;
		op.on_false = at;
		r = add_op(watcher, &op, &at, err);
		if (r < 0)
			return r;
		end = 0;
	}
	*ret_at = at;
	return 0;
}

/* One condition, which goes on as `op` says. */
static int add_condition(struct program_watcher *watcher, const struct instruction *in,
			 struct program_watch_op op, uint16_t *ret_at, struct err *err)
{
	const uint16_t on_true = op.on_true;
	uint32_t index = 0;
	int r;

	switch (in->code) {
	case CODE_RANGE:
		op.low = in->right.number;
		op.span = in->span;
		op.source = source_of(watcher, &in->left);
		return add_op(watcher, &op, ret_at, err);
	case CODE_BITS:
		op.low = in->right.number;
		op.bits = true;
		op.source = source_of(watcher, &in->left);
		return add_op(watcher, &op, ret_at, err);
	case CODE_CPU_IN:
		return add_cpus(watcher, in, op, ret_at, err);
	case CODE_GLOB_COMM:
	case CODE_FUNCTION:
		if (in->code == CODE_FUNCTION &&
		    (watcher->compiling || !is_function(in->left.offset)))
			break;
		r = in->code == CODE_FUNCTION
			    ? find_name(watcher, function_pattern_text(in->function), &index, err)
			    : find_comm(watcher, &in->glob, &index, err);
		if (r < 0)
			return r;
		op.low = 1ull << index;
		op.bits = true;
		op.source = in->code == CODE_FUNCTION ? ask_name(watcher, in->left.offset, index)
						      : PROGRAM_WATCH_COMMS;
		if (in->code == CODE_GLOB_COMM && in->glob.invert) {
			op.on_true = op.on_false;
			op.on_false = on_true;
		}
		return add_op(watcher, &op, ret_at, err);
	default: /* of fields that events of functions do not have */
		break;
	}
	return err_set(
		err, -EINVAL,
		"this cannot be asked in a program: only ip and parent_ip are functions, and "
		"texts are not compared");
}

static uint16_t target(uint32_t to, const uint16_t *places)
{
	if (to == PROGRAM_TRUE)
		return PROGRAM_WATCH_YES;
	return to == PROGRAM_FALSE ? PROGRAM_WATCH_NO : places[to];
}

static int translate(struct program_watcher *watcher, const struct filter_program *program,
		     uint16_t *ret_entry, struct err *err)
{
	_cleanup_free_ uint16_t *places = mem_calloc(program->nr + 1u, sizeof(*places));

	if (!places)
		return err_sys(err, -ENOMEM, "cannot compile the filter");
	for (uint32_t i = 0; i < program->nr; i++) {
		const struct instruction *in = &program->code[i];
		struct program_watch_op op = {
			.on_true = target(in->on_true, places),
			.on_false = target(in->on_false, places),
		};
		int r = add_condition(watcher, in, op, &places[i], err);

		if (r < 0)
			return r;
	}
	*ret_entry = target(program->entry, places);
	return 0;
}

int watcher_compile(struct program_watcher *watcher, const struct event *event, const char *text,
		    uint16_t *ret_entry, struct err *err)
{
	struct kfilter_kernel kernel;
	struct kfilter *filter;
	int r;

	if (kfilter_is_removal(text)) {
		*ret_entry = PROGRAM_WATCH_YES;
		return 0;
	}
	watcher->asks_duration = false;
	kfilter_kernel_init(&kernel, NULL, 0);
	kernel.is_program = true;
	r = kfilter_new(&filter, event, text, &kernel, 0, NULL, err);
	if (r < 0)
		return r;
	r = translate(watcher, kfilter_program(filter), ret_entry, err);
	kfilter_free(filter);
	return r;
}

/* --- rules --- */

/* Whether `-e TEXT` means the event: WATCHER_SYSTEM:EVENT, EVENT, WATCHER_SYSTEM, all, or a glob of
 * them. */
static bool is_meant(const char *text, const char *name)
{
	size_t len = strcspn(text, ":/");
	char system[sizeof(WATCHER_SYSTEM) + 16];

	if (!text[len])
		return !strcmp(text, "all") || !fnmatch(text, name, 0) ||
		       !fnmatch(text, WATCHER_SYSTEM, 0);
	if (len >= sizeof(system))
		return false;
	memcpy(system, text, len);
	system[len] = '\0';
	return !fnmatch(system, WATCHER_SYSTEM, 0) &&
	       (!text[len + 1] || !fnmatch(text + len + 1, name, 0));
}

/* The same for events with these bits; how long a call took is known when it has ended. */
int watcher_compile_for(struct program_watcher *watcher, uint32_t events, const char *text,
			uint16_t *ret_entry, struct err *err)
{
	int r = watcher_compile(watcher, watcher->event, text, ret_entry, err);

	if (r < 0 || !watcher->asks_duration)
		return r;
	watcher->plan->asks_duration |= !watcher->thresh;
	for (size_t i = 0; i < watcher->nr_events; i++) {
		if (events >> watcher->events[i].number & 1 && !watcher->events[i].ends)
			return err_set(err, -EINVAL,
				       "duration is known when a call has ended: -e func_exit -f "
				       "'...', or "
				       "--thresh");
	}
	return 0;
}

/* Bits of the events that a rule is for. */
int watcher_events_of(const struct program_watcher *watcher, const char *text, uint32_t *ret_events,
		      struct err *err)
{
	char names[100] = "";
	uint32_t events = 0;

	for (size_t i = 0; i < watcher->nr_events; i++) {
		const struct program_watch_event *event = &watcher->events[i];

		if (!text || is_meant(text, event->name))
			events |= 1u << event->number;
		if (strlen(names) + strlen(event->name) + 3 < sizeof(names)) {
			strcat(names, i ? ", " : "");
			strcat(names, event->name);
		}
	}
	*ret_events = events;
	return events ? 0
		      : err_set(err, -ENOENT,
				"-e: '%.60s' is none of the events that are made here: %s", text,
				names);
}

static int add_rule(struct program_watcher *watcher, const struct program_rule *rule,
		    struct err *err)
{
	uint16_t entry = PROGRAM_WATCH_NO;
	uint32_t events;
	int r = watcher_events_of(watcher, rule->events, &events, err);

	if (r < 0 || (!rule->off && !rule->filter))
		return r;
	if (!rule->off)
		r = watcher_compile_for(watcher, events, rule->filter, &entry, err);
	for (uint32_t i = 0; i < PROGRAM_WATCH_EVENTS && r == 0; i++) {
		if (events >> i & 1)
			watcher->plan->filters[i] = entry;
	}
	return r;
}

/* --- triggers --- */

/* What a rule stands for, in `trigger`; only what can be done where the event is. */
int watcher_read_action(struct program_watcher *watcher, const struct trigger_rule *rule,
			struct program_watch_trigger *trigger, struct err *err)
{
	char events[2 * TRIGGER_NAME_BYTES + 2];

	switch (rule->action) {
	case TRIGGER_TRACEON:
	case TRIGGER_TRACEOFF:
		trigger->action = rule->action == TRIGGER_TRACEON ? PROGRAM_WATCH_TRACEON
								  : PROGRAM_WATCH_TRACEOFF;
		watcher->starts_off |= !watcher->switches && rule->action == TRIGGER_TRACEON;
		watcher->switches = true;
		/* As in the kernel, which looks at a record for an `if`: that is too late. */
		trigger->first = rule->action == TRIGGER_TRACEON && !rule->filter;
		return 0;
	case TRIGGER_ENABLE:
	case TRIGGER_DISABLE:
		trigger->action = rule->action == TRIGGER_ENABLE ? PROGRAM_WATCH_ENABLE
								 : PROGRAM_WATCH_DISABLE;
		if (watcher_is_probe(rule))
			return 0;
		snprintf(events, sizeof(events), "%s:%s", rule->system, rule->event);
		return watcher_events_of(watcher, events, &trigger->switches, err);
	case TRIGGER_SNAPSHOT:
		trigger->action = PROGRAM_WATCH_SNAPSHOT;
		watcher->snapshots = true;
		return 0;
	case TRIGGER_STACKTRACE:
		if (watcher->mode != PROGRAM_GRAPH)
			return err_set(err, -ENOTSUP,
				       "stacktrace needs to see the ends of calls: -p "
				       "function_graph");
		trigger->action = PROGRAM_WATCH_STACKTRACE;
		/* The stack is made of the calls that are open. */
		watcher->plan->asks_depth = true;
		return 0;
	case TRIGGER_HIST: /* with the others of its event: watcher_hists.c */
		return 0;
	default:
		return err_set(err, -ENOTSUP,
			       "enable_hist and disable_hist are not for events of programs; "
			       "hist:...:pause, and 'if FILTER' of the histogram, are");
	}
}

int watcher_check_trigger(const struct program_watcher *watcher, const struct trigger_rule *rule,
			  struct err *err)
{
	if (watcher->plan->nr_triggers == PROGRAM_WATCH_TRIGGERS_MAX)
		return err_set(err, -E2BIG, "more than %u triggers", PROGRAM_WATCH_TRIGGERS_MAX);
	if (rule->removes)
		return err_set(err, -EINVAL, "no trigger is set that could be removed");
	if (watcher->thresh)
		return err_set(err, -ENOTSUP,
			       "triggers do not go with --thresh, which looks at a call when it "
			       "has ended");
	return 0;
}

static int add_trigger(struct program_watcher *watcher, const struct trigger_rule *rule,
		       uint32_t events, const char *function, struct err *err)
{
	struct program_watch *plan = watcher->plan;
	struct program_watch_trigger trigger = {
		.count = rule->count,
		.events = events,
		.condition = PROGRAM_WATCH_YES,
	};
	int r = watcher_check_trigger(watcher, rule, err);

	if (r == 0)
		r = watcher_read_action(watcher, rule, &trigger, err);
	if (r == 0 && rule->filter)
		r = watcher_compile_for(watcher, events, rule->filter, &trigger.condition, err);
	if (r == 0 && function) {
		struct program_watch_op op = {
			.on_true = trigger.condition,
			.on_false = PROGRAM_WATCH_NO,
			.source = PROGRAM_WATCH_NAMES,
			.bits = true,
		};
		uint32_t index = 0;

		r = find_name(watcher, function, &index, err);
		op.low = 1ull << index;
		watcher->commanded |= 1u << index;
		plan->asks_functions = true;
		if (r == 0)
			r = add_op(watcher, &op, &trigger.condition, err);
	}
	if (r < 0)
		return r;
	if (trigger.action == PROGRAM_WATCH_ENABLE)
		plan->enabled &= ~trigger.switches;
	watcher->switched |= trigger.switches;
	plan->triggered |= events;
	watcher_switch_probes(watcher, plan->nr_triggers, rule);
	plan->triggers[plan->nr_triggers++] = trigger;
	return 0;
}

static int add_rules_triggers(struct program_watcher *watcher, const struct program_rule *rule,
			      struct err *err)
{
	uint32_t events;
	int r = watcher_events_of(watcher, rule->events, &events, err);

	for (size_t i = 0; i < rule->nr_triggers && r == 0; i++) {
		struct trigger_rule trigger;

		r = trigger_rule_parse(&trigger, rule->triggers[i], err);
		if (r == 0 && trigger.action != TRIGGER_HIST)
			r = add_trigger(watcher, &trigger, events, NULL, err);
	}
	return r;
}

static int add_command(struct program_watcher *watcher, const char *text, struct err *err)
{
	_cleanup_free_ char *function = NULL;
	struct function_command command;
	uint32_t events = 0;
	int r = function_command_parse(&command, text, err);

	if (r < 0)
		return r;
	if (command.rule.action == TRIGGER_HIST)
		return err_set(err, -ENOTSUP,
			       "hist is no command of functions; -e func_entry -R 'hist:keys=ip if "
			       "ip.function == NAME' counts them");
	for (size_t i = 0; i < watcher->nr_events; i++)
		events |= (uint32_t)watcher->events[i].begins << watcher->events[i].number;
	function = mem_strndup(command.function, command.function_len);
	if (!function)
		return err_sys(err, -ENOMEM, "cannot compile the command");
	return add_trigger(watcher, &command.rule, events, function, err);
}

/* --- all of it --- */

static int add_all(struct program_watcher *watcher, const struct program_watch_options *options,
		   struct err *err)
{
	struct program_patterns names;
	int r = make_event(watcher, err);

	for (size_t i = 0; i < PROGRAM_WATCH_EVENTS; i++)
		watcher->plan->filters[i] = PROGRAM_WATCH_YES;
	watcher->plan->enabled = UINT32_MAX;
	watcher->plan->mult = options->mult;
	watcher->plan->shift = options->shift;
	for (size_t i = 0; i < options->nr_rules && r == 0; i++)
		r = options->rules[i].probes
			    ? watcher_add_probe_rule(watcher, &options->rules[i], err)
			    : add_rule(watcher, &options->rules[i], err);
	for (size_t i = 0; i < options->nr_rules && r == 0; i++) {
		if (!options->rules[i].probes)
			r = add_rules_triggers(watcher, &options->rules[i], err);
	}
	for (size_t i = 0; i < options->nr_commands && r == 0; i++)
		r = add_command(watcher, options->commands[i], err);
	for (size_t i = 0; i < options->nr_hists && r == 0; i++)
		r = watcher_add_calls(watcher, options->hists[i], err);
	if (r == 0)
		r = watcher_add_hists(watcher, options->rules, options->nr_rules, err);
	if (r < 0)
		return r;
	names = (struct program_patterns){(const char *const *)watcher->names, watcher->nr_names};
	return program_marks_new(&watcher->marks, &names, err);
}

int program_watcher_new(struct program_watcher **ret_watcher,
			const struct program_watch_options *options, struct err *err)
{
	struct program_watcher *watcher;
	int r;

	*ret_watcher = NULL;
	if (!options->nr_rules && !options->nr_commands && !options->nr_hists)
		return 0;
	watcher = mem_zalloc(sizeof(*watcher));
	if (watcher)
		watcher->plan = mem_zalloc(offsetof(struct program_watch, functions));
	if (!watcher || !watcher->plan) {
		mem_free(watcher);
		return err_sys(err, -ENOMEM, "cannot compile the filters");
	}
	watcher->mode = options->mode;
	watcher->thresh = options->thresh;
	watcher->limited = options->limited;
	watcher->events = options->events;
	watcher->nr_events = options->nr_events;
	r = add_all(watcher, options, err);
	if (r < 0) {
		program_watcher_free(watcher);
		return r;
	}
	*ret_watcher = watcher;
	return 0;
}

void program_watcher_free(struct program_watcher *watcher)
{
	if (!watcher)
		return;
	for (size_t i = 0; i < watcher->nr_names; i++)
		mem_free(watcher->names[i]);
	watcher_free_hists(watcher);
	program_marks_free(watcher->marks);
	event_db_free(watcher->db);
	mem_free(watcher->plan);
	mem_free(watcher->probe_rules);
	mem_free(watcher);
}

/* Behind the questions, each in lines of its own. */
#define LINE_BYTES 64u
#define HISTS_AT   ((sizeof(struct program_watch) + LINE_BYTES - 1) & -(size_t)LINE_BYTES)
_Static_assert(LINE_BYTES % _Alignof(struct program_hists) == 0, "hists");

uint64_t program_watcher_bytes(const struct program_watcher *watcher)
{
	return HISTS_AT + watcher->hists.bytes;
}

struct program_hists *watcher_hists_in(struct program_watch *memory)
{
	return (struct program_hists *)(void *)((uint8_t *)memory + HISTS_AT);
}

void program_watcher_begin(struct program_watcher *watcher, struct program_watch *memory)
{
	if (watcher->hists.hists.nr) {
		*(watcher->counts_calls ? &watcher->plan->hists_at
					: &watcher->plan->event_hists_at) = HISTS_AT;
		*watcher_hists_in(memory) = watcher->hists.hists;
	}
	memcpy(memory, watcher->plan, offsetof(struct program_watch, functions));
	watcher->memory = memory;
}

int program_watcher_counted(const struct program_watcher *watcher,
			    int (*each)(void *ctx, const struct program_hist_counted *counted),
			    void *ctx)
{
	return program_hists_each(&watcher->hists, watcher_hists_in(watcher->memory), each, ctx);
}

bool program_watcher_starts_off(const struct program_watcher *watcher)
{
	return watcher->starts_off;
}

bool program_watcher_wants_snapshots(const struct program_watcher *watcher)
{
	return watcher->snapshots;
}

const struct event *program_watcher_event(const struct program_watcher *watcher)
{
	return watcher->event;
}

const char *program_watcher_unmatched(const struct program_watcher *watcher)
{
	return program_marks_unmatched(watcher->marks);
}
