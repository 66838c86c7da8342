/* SPDX-License-Identifier: MIT */
/* Records to lines: which calls are shown, how deep, and whether a call is a leaf. */
#include "report/replay.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "report/replay_data.h"

static void unfinished(void *arg, struct call_task *task, const struct call *call);
static void forgotten(void *arg, struct call_task *task, const struct call *call);

static void find_irq_text(struct replay_source *source)
{
	const struct symbols *symbols = event_db_symbols(source->source->input->db);

	for (size_t i = 0; i < symbols_count(symbols); i++) {
		const struct symbol *symbol = symbols_at(symbols, i);

		if (!strcmp(symbol->name, "__irqentry_text_start"))
			source->irq_start = symbol->addr;
		else if (!strcmp(symbol->name, "__irqentry_text_end"))
			source->irq_end = symbol->addr;
	}
}

static int name_source(struct replay_source *source, bool several_files)
{
	const struct input *input = source->source->input;
	const char *buffer = input->dat->buffers[source->source->buffer].name;
	struct out title = {0};

	if (several_files)
		out_str(&title, input->base_name);
	if (several_files && *buffer)
		out_lit(&title, ": ");
	out_str(&title, *buffer || several_files ? buffer : "top");
	source->title = mem_strndup(title.buf, title.len);
	out_done(&title);
	return source->title ? 0 : -ENOMEM;
}

static int init_source(struct replay *replay, struct replay_source *source,
		       const struct source *from)
{
	const struct calls_owner owner = {unfinished, forgotten, source, .chains = true};
	uint32_t nr = MAX(from->input->dat->nr_cpus, from->nr_cpus);

	source->replay = replay;
	source->shown = source;
	source->source = from;
	source->cpu_digits = MAX(out_count_digits(nr ? nr - 1 : 0), 1u);
	find_irq_text(source);
	return calls_new(&source->calls, from->input->db, &owner);
}

static bool is_beside(const struct source *kernel, const struct source *program)
{
	return kernel->input == program->input && !kernel->is_instance && program->is_instance &&
	       !strcmp(program->name, "program") &&
	       event_db_by_name(program->input->db, "sonde", "func_entry");
}

/* The kernel's events and the calls of programs, recorded together, are one timeline. */
static bool join_sources(struct replay *replay)
{
	bool apart = false;

	for (size_t i = 0; i < replay->nr_sources; i++) {
		struct replay_source *source = &replay->sources[i];

		for (size_t j = 0; j < replay->nr_sources; j++)
			if (is_beside(source->source, replay->sources[j].source))
				source->shown = &replay->sources[j];
	}
	for (size_t i = 1; i < replay->nr_sources; i++)
		apart |= replay->sources[i].shown != replay->sources[0].shown;
	return apart;
}

int replay_new(struct replay **ret_replay, const struct replay_options *options,
	       const struct source *sources, size_t nr_sources)
{
	struct replay *replay = mem_zalloc(sizeof(*replay));
	bool several_files = false, apart;
	int r = replay ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	replay->options = *options;
	replay->first_source = sources;
	replay->hides = options->filter.only || options->filter.hide || options->filter.max_depth ||
			options->min_ns;
	for (size_t i = 0; i < options->nr_fields; i++)
		replay->deltas |= options->fields[i] == REPLAY_DELTA;
	replay->head = replay->tail = 1;
	replay->sources = mem_calloc(nr_sources + 1, sizeof(*replay->sources));
	if (!replay->sources)
		r = -ENOMEM;
	for (size_t i = 0; r >= 0 && i < nr_sources; i++) {
		r = init_source(replay, &replay->sources[i], &sources[i]);
		replay->nr_sources++;
		several_files |= sources[i].input != sources[0].input;
	}
	apart = r >= 0 && join_sources(replay);
	for (size_t i = 0; r >= 0 && apart && i < nr_sources; i++)
		r = name_source(&replay->sources[i], several_files);
	if (r < 0) {
		replay_free(replay);
		return -ENOMEM;
	}
	*ret_replay = replay;
	return 0;
}

void replay_free(struct replay *replay)
{
	if (!replay)
		return;
	for (size_t i = 0; i < replay->nr_sources; i++) {
		struct replay_source *source = &replay->sources[i];

		for (size_t j = 0; j < source->nr_cpus; j++)
			mem_free(source->cpus[j].funcs);
		mem_free(source->cpus);
		mem_free(source->title);
		map_done(&source->funcs);
		map_done(&source->tasks);
		calls_free(source->calls);
	}
	for (; replay->head < replay->tail; replay->head++)
		mem_free((void *)(uintptr_t)replay->queue[replay->head % REPLAY_QUEUE].text);
	mem_free(replay->queue);
	mem_free(replay->sources);
	out_done(&replay->text);
	arena_done(&replay->arena);
	mem_free(replay);
}

/* --- functions, tasks, CPUs --- */

const struct replay_func *replay_func(struct replay_source *source, uint64_t addr)
{
	struct replay *replay = source->replay;
	const struct call_filter *filter = &replay->options.filter;
	const uint64_t *found = map_find(&source->funcs, addr);
	const struct symbol *symbol;
	struct replay_func *func;

	if (found)
		return (const struct replay_func *)(uintptr_t)*found;
	func = arena_alloc(&replay->arena, sizeof(*func));
	if (!func || map_set(&source->funcs, addr, (uintptr_t)func) < 0) {
		replay->error = -ENOMEM;
		return NULL;
	}
	symbol = symbols_find(event_db_symbols(source->source->input->db), addr);
	func->addr = addr;
	func->irq = addr >= source->irq_start && addr < source->irq_end;
	if (symbol) {
		func->name = symbol->name;
		func->module = symbol->module;
		func->named = (struct call_named){
			filter->only && patterns_test(filter->only, func->name, func->module),
			filter->hide && patterns_test(filter->hide, func->name, func->module)};
	}
	return func;
}

struct replay_task *replay_task(struct replay_source *source, int32_t pid)
{
	const uint64_t *found;
	struct replay_task *task;

	source = source->shown;
	found = map_find(&source->tasks, (uint32_t)pid);
	if (found)
		return (struct replay_task *)(uintptr_t)*found;
	task = arena_alloc(&source->replay->arena, sizeof(*task));
	if (!task || map_set(&source->tasks, (uint32_t)pid, (uintptr_t)task) < 0) {
		source->replay->error = -ENOMEM;
		return NULL;
	}
	task->column = source->nr_tasks++;
	return task;
}

static int reach_cpu(struct replay_source *source, uint32_t cpu)
{
	source = source->shown;
	if (cpu < source->nr_cpus)
		return 0;
	if (cpu >= LIMIT_CPUS || array_reserve(&source->cpus, &source->cap_cpus, (size_t)cpu + 1,
					       sizeof(*source->cpus)) < 0)
		return -ENOMEM;
	while (source->nr_cpus <= cpu)
		source->cpus[source->nr_cpus++] =
			(struct replay_cpu){.last_pid = -1, .comm_pid = -1};
	return 0;
}

struct replay_cpu *replay_cpu(struct replay_source *source, uint32_t cpu)
{
	return &source->shown->cpus[cpu];
}

const char *replay_comm(struct replay_source *source, uint32_t cpu, int32_t pid)
{
	struct replay_cpu *at = replay_cpu(source, cpu);
	const struct replay_options *options = &source->replay->options;

	if (at->comm_pid == pid && at->comm)
		return at->comm;
	at->comm = options->comm(source->source->input, pid);
	at->comm_pid = pid;
	return at->comm ? at->comm : "<...>";
}

/* --- lines --- */

static struct replay_line new_line(struct replay_source *source, const struct report_item *item,
				   enum replay_kind kind)
{
	return (struct replay_line){.kind = kind,
				    .source = source,
				    .ts = item->rec->ts,
				    .cpu = item->rec->cpu,
				    .pid = item->pid,
				    .count = 1};
}

/* Something is shown inside the open calls of a task but for its `nr` outermost: no leaves. */
static void open_braces(struct replay *replay, const struct call_task *task, uint32_t nr)
{
	while (nr-- > 0) {
		const struct call *call = &task->calls[nr];
		struct replay_line *line = replay_waiting(replay, call->number);

		if (!(call->flags & CALL_SHOWN))
			continue;
		if (!line || !line->wait_shape)
			return;
		line->wait_shape = false;
	}
}

/* A waiting call is long enough, and so are those around it. */
static void show_long(struct replay *replay, const struct call_task *task, uint32_t nr,
		      struct replay_line *line)
{
	line->wait_time = false;
	for (uint32_t i = nr; i-- > 0;) {
		struct replay_line *outer = replay_waiting(replay, task->calls[i].number);

		if (!(task->calls[i].flags & CALL_SHOWN))
			continue;
		if (!outer || !outer->wait_time)
			break;
		outer->wait_time = false;
	}
	open_braces(replay, task, nr);
}

/*
 * What becomes of a call that ends without a return: it keeps its brace. False when it was not
 * shown, or is over in its line.
 */
static bool settle(struct replay *replay, const struct call_task *task, const struct call *call)
{
	struct replay_line *line = replay_waiting(replay, call->number);

	if (!(call->flags & CALL_SHOWN) || call->flags & CALL_SHORT)
		return false;
	if (!line)
		return true;
	line->wait_shape = false;
	if (line->wait_time && replay->now - line->ts < replay->options.min_ns) {
		line->dropped = true;
		return false;
	}
	show_long(replay, task, (uint32_t)(call - task->calls), line);
	return true;
}

static void unfinished(void *arg, struct call_task *task, const struct call *call)
{
	struct replay_source *source = arg;
	struct replay *replay = source->replay;

	if (!settle(replay, task, call) || replay->options.no_comment)
		return;
	replay_push(replay, &(struct replay_line){.kind = LINE_UNFINISHED,
						  .source = source,
						  .func = replay_func(source, call->func),
						  .ts = replay->now,
						  .cpu = task->cpu,
						  .pid = task->pid,
						  .depth = call->level});
}

static void forgotten(void *arg, struct call_task *task, const struct call *call)
{
	const struct replay_source *source = arg;

	settle(source->replay, task, call);
}

/* --- calls --- */

/* The next record of the CPU, of all that is shown together. */
static bool look_ahead(const struct replay *replay, const struct replay_line *line,
		       struct report_item *ret_next)
{
	bool any = false;

	for (size_t i = 0; i < replay->nr_sources; i++) {
		const struct replay_source *source = &replay->sources[i];
		struct report_item next;

		if (source->shown != line->source->shown ||
		    !replay->options.look_ahead(replay->options.look_ahead_arg, source->source,
						line->cpu, &next) ||
		    (any && next.rec->ts >= ret_next->rec->ts))
			continue;
		*ret_next = next;
		any = true;
	}
	return any;
}

/* The entry before: now the next record of its CPU is known. */
static void settle_pending(struct replay *replay)
{
	struct replay_pending *pending = &replay->pending;
	struct replay_line *line = &pending->line;
	struct replay_source *source = line->source;
	struct report_item next;

	if (!pending->is)
		return;
	pending->is = false;
	if (!replay->options.no_merge && look_ahead(replay, line, &next) && next.pid == line->pid &&
	    !next.lost) {
		line->ns = next.rec->ts - line->ts;
		if (calls_is_return(source->calls, &next, line->func->addr, &line->ns)) {
			line->kind = LINE_LEAF;
			line->timed = true;
			pending->task->calls[pending->task->nr - 1].flags |= CALL_SHORT;
		}
	}
	replay_push(replay, line);
}

static void take_begin(struct replay *replay, struct replay_line *line,
		       const struct call_step *step)
{
	struct call_task *task = step->task;
	struct call *call = &task->calls[task->nr - 1];

	if (!call_filter_begin(&replay->options.filter, task, line->func->named))
		return;
	line->depth = call->level;
	if (!replay->hides) {
		replay->pending = (struct replay_pending){true, *line, task};
		return;
	}
	line->wait_time = replay->options.min_ns != 0;
	line->wait_shape = !replay->options.no_merge;
	call->number = replay_next_number(replay);
	if (!line->wait_time)
		open_braces(replay, task, task->nr - 1);
	replay_push(replay, line);
}

/* The end of a call whose line still waits. True when nothing more is to be shown. */
static bool end_waiting(struct replay *replay, const struct call_step *step,
			struct replay_line *line)
{
	if (line->wait_time && (!step->timed || step->ns < replay->options.min_ns)) {
		line->dropped = true;
		return true;
	}
	if (line->wait_time)
		show_long(replay, step->task, step->task->nr, line);
	if (!line->wait_shape)
		return false;
	line->kind = LINE_LEAF;
	line->wait_shape = false;
	line->timed = step->timed;
	line->ns = step->ns;
	return true;
}

static void take_end(struct replay *replay, struct replay_line *line, const struct call_step *step)
{
	const struct call *call = &step->call;
	struct replay_line *waiting;

	line->depth = step->depth;
	line->timed = step->timed;
	line->ns = step->ns;
	if (!step->paired) {
		if (!line->func->named.hide &&
		    call_flags_show(&replay->options.filter, 0, step->depth) &&
		    !(replay->options.min_ns && step->ns < replay->options.min_ns))
			replay_push(replay, line);
		return;
	}
	if (!(call->flags & CALL_SHOWN) || call->flags & CALL_SHORT)
		return;
	line->depth = call->level;
	waiting = replay_waiting(replay, call->number);
	if (waiting && end_waiting(replay, step, waiting))
		return;
	replay_push(replay, line);
}

static void take_point(struct replay *replay, struct replay_line *line,
		       const struct call_step *step)
{
	const struct call_link *chain = step->task->chain;
	uint32_t nr = step->task->nr_chain, flags = 0;
	int32_t level = 0;

	/* The first of a chain was not recorded itself. */
	for (uint32_t i = 0; i < nr; i++) {
		const struct replay_func *func = replay_func(line->source, chain[i].func);

		if (!func)
			return;
		if (flags & CALL_INSIDE || !replay->options.filter.only)
			level += i > 1;
		flags |= func->named.only ? CALL_INSIDE : 0;
		flags |= func->named.hide ? CALL_HIDDEN : 0;
	}
	if (replay->options.min_ns || !call_flags_show(&replay->options.filter, flags, level))
		return;
	line->depth = level;
	line->count = step->count;
	line->parent = nr == 2 ? chain[0].func : 0;
	replay_push(replay, line);
}

static void take_call(struct replay *replay, struct replay_source *source,
		      const struct report_item *item, const struct call_step *step)
{
	static const enum replay_kind kinds[] = {
		[CALL_BEGIN] = LINE_BEGIN, [CALL_END] = LINE_END, [CALL_POINT] = LINE_POINT};
	struct replay_line line = new_line(source, item, kinds[step->kind]);

	line.func = replay_func(source, step->func);
	if (!line.func)
		return;
	if (step->kind == CALL_BEGIN)
		take_begin(replay, &line, step);
	else if (step->kind == CALL_END)
		take_end(replay, &line, step);
	else
		take_point(replay, &line, step);
}

/* --- other events --- */

static bool comment_shown(const struct replay *replay, const struct call_task *task)
{
	uint32_t flags = task->nr ? task->calls[task->nr - 1].flags : 0;

	return !replay->options.no_comment && !(flags & CALL_HIDDEN) &&
	       (!replay->options.filter.only || flags & CALL_INSIDE);
}

/* The message alone, as the kernel shows it here, where the event is the kernel's own print. */
static bool print_message(const struct report_item *item, struct out *out)
{
	static const char *const names[] = {"print", "bprint", "bputs"};
	const struct event *event = item->event;
	const struct event_context context = {.cpu = item->rec->cpu, .ts = item->rec->ts};
	const char *colon;
	size_t start;

	if (strcmp(event->system, "ftrace") != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(event->name, names[i]) != 0)
			continue;
		event_print(event, item->rec->data, item->rec->len, 0, &context, out);
		/* What stands before it is where it was printed. */
		colon = memchr(out->buf, ':', out->len);
		start = colon ? (size_t)(colon - out->buf) + 1 : 0;
		while (start < out->len && out->buf[start] == ' ')
			start++;
		memmove(out->buf, out->buf + start, out->len - start);
		out->len -= start;
		return true;
	}
	return false;
}

static bool is_stack(const struct event *event)
{
	return event->kind == EVENT_KERNEL_STACK || event->kind == EVENT_USER_STACK;
}

/* A stack has several lines, which begin with blanks; in JSON they are one text. */
static void push_lines(struct replay *replay, struct replay_line *line, bool json)
{
	const char *at = out_cstr(&replay->text), *end = at + replay->text.len;

	do {
		const char *eol = json ? NULL : memchr(at, '\n', (size_t)(end - at));

		eol = eol ? eol : end;
		while (!json && at < eol && (*at == ' ' || *at == '\t'))
			at++;
		line->text = at;
		line->text_len = (size_t)(eol - at);
		replay_push(replay, line);
		at = eol + 1;
	} while (at < end);
}

static void take_event(struct replay *replay, struct replay_source *source,
		       const struct report_item *item, const struct call_task *task)
{
	struct replay_line line = new_line(source, item, LINE_COMMENT);
	const struct event_context context = {.cpu = line.cpu, .ts = line.ts};
	struct out *text = &replay->text;
	bool json = replay->options.format == REPORT_JSON;

	if (task && !comment_shown(replay, task))
		return;
	if (!task && (replay->options.no_comment || replay->options.filter.only))
		return;
	out_clear(text);
	line.event = item->event ? item->event->name : "unknown";
	if (!item->event) {
		out_lit(text, "[UNKNOWN EVENT]");
	} else if (!print_message(item, text)) {
		if (!json) {
			out_mem(text, item->event->name, item->event->name_len);
			out_str(text, is_stack(item->event) ? "\n" : ": ");
		}
		event_print(item->event, item->rec->data, item->rec->len, EVENT_PRINT_NO_HANDLER,
			    &context, text);
	}
	while (text->len && text->buf[text->len - 1] == '\n')
		text->len--;
	if (task)
		open_braces(replay, task, task->nr);
	if (!text->failed)
		push_lines(replay, &line, json);
}

/* --- */

int replay_item(struct replay *replay, const struct report_item *item, struct out *out)
{
	struct replay_source *source = &replay->sources[item->source - replay->first_source];
	struct call_step step;

	replay->out = out;
	settle_pending(replay);
	if (!replay->any)
		replay->first_ts = item->rec->ts;
	replay->any = true;
	replay->now = item->rec->ts;
	if (reach_cpu(source, item->rec->cpu) < 0)
		return -ENOMEM;
	if (item->lost) {
		struct replay_line line = new_line(source, item, LINE_LOST);

		line.lost = item->lost;
		replay_push(replay, &line);
	}
	do {
		if (calls_record(source->calls, item, &step) < 0)
			return -ENOMEM;
		if (step.kind != CALL_NONE)
			take_call(replay, source, item, &step);
		else
			take_event(replay, source, item,
				   source->shown == source
					   ? step.task
					   : calls_task_of(source->shown->calls, item->pid));
	} while (step.more);
	replay_flush(replay, false);
	return replay->error;
}

int replay_end(struct replay *replay, struct out *out)
{
	replay->out = out;
	settle_pending(replay);
	replay_flush(replay, true);
	for (size_t i = 0; i < replay->nr_sources; i++) {
		struct replay_source *source = &replay->sources[i];

		for (size_t j = 0; j < calls_nr_tasks(source->calls); j++)
			replay_print_open(replay, source, calls_task(source->calls, j));
	}
	return replay->error;
}
