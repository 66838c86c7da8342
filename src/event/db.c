/* SPDX-License-Identifier: MIT */
/* The event_db: formats, printk formats and command names of one trace. */
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "event/handler.h"
#include "event/program.h"

enum {
	PENDING_SLOTS = 1024
};

int event_db_new(struct event_db **ret_db, const struct event_db_options *options)
{
	struct event_db *db = mem_zalloc(sizeof(*db));

	if (!db)
		return -ENOMEM;
	db->options = *options;
	if (db->options.long_size != 4)
		db->options.long_size = 8;
	db->common.migrate_disable_offset = db->common.lock_depth_offset = -1;
	*ret_db = db;
	return 0;
}

void event_db_free(struct event_db *db)
{
	if (!db)
		return;
	symbols_free(db->symbols);
	mem_free(db->events);
	mem_free(db->by_id);
	mem_free(db->printks);
	mem_free(db->cmdlines);
	arena_done(&db->arena);
	mem_free(db);
}

/* --- formats --- */

/* Letters of the task states, from __print_flags(prev_state ...) in the print fmt. */
static void find_state_letters(struct event_impl *event, const struct node *args)
{
	for (; args; args = args->next) {
		const struct node *node = args;

		if (node->type == NODE_OP && node->op == OP1('?') && node->right)
			node = node->right->left;
		if (!node || node->type != NODE_FLAGS)
			continue;
		memset(event->state_letters, 0, sizeof(event->state_letters));
		for (const struct pair *pair = node->pairs; pair; pair = pair->next) {
			uint64_t value = span_u64(pair->value);
			int bit = value ? __builtin_ctzll(value) : 32;

			if (bit == (int)strlen(event->state_letters) && bit < 32 && pair->text.len)
				event->state_letters[bit] = pair->text.p[0];
		}
		return;
	}
}

/*
 * Old ftrace events have a print fmt without arguments: the fields, in their order, are meant.
 */
static bool imply_args(struct parser *p, struct node **args)
{
	const struct event *event = &p->event->pub;

	if (*args || !p->event->is_ftrace)
		return true;
	for (uint32_t i = event->nr_common; i < event->nr_fields; i++) {
		*args = parse_node(p);
		if (!*args)
			return false;
		**args = (struct node){.type = NODE_FIELD, .field = &event->fields[i]};
		args = &(*args)->next;
	}
	return true;
}

struct print_fmt {
	struct span format;
	struct node *args;
};

/* `exact`: grouped as 3.1 groups it; `text_31`: with the text that 3.1 has for each conversion. */
static struct event_program *parse_and_compile(struct parser *p, const struct lexer *start,
					       bool exact, bool text_31, bool *ret_differs)
{
	struct print_fmt fmt;

	p->lexer = *start;
	p->lexer.tabs = !exact;
	p->exact = exact;
	p->error = NULL;
	p->locals = NULL;
	p->depth = p->work = 0;
	if (!parse_print_fmt(p, &fmt.format, &fmt.args) || !imply_args(p, &fmt.args))
		return NULL;
	if (p->event->pub.kind == EVENT_SCHED_SWITCH)
		find_state_letters(p->event, fmt.args);
	if (p->event->is_bprint) { /* the records carry formats of their own */
		struct span none = {"", 0};

		return compile_program(p, none, NULL, text_31, ret_differs);
	}
	return compile_program(p, fmt.format, fmt.args, text_31, ret_differs);
}

/*
 * Both programs. Where trace-cmd 3.1 cannot read a print fmt, newer text still may; where its text
 * would be an error message, newer text says more.
 */
static void compile_both(struct event_db *db, struct event_impl *event, struct lexer *lexer)
{
	struct arena scratch = {0};
	struct parser p = {.db = db, .event = event, .scratch = &scratch};
	bool differs = false;

	event->program_31 = parse_and_compile(&p, lexer, true, true, &differs);
	event->program_34 = event->program_31;
	if (!event->program_31)
		event->program_34 = parse_and_compile(&p, lexer, false, false, &differs);
	else if (differs)
		event->program_34 = parse_and_compile(&p, lexer, true, false, &differs);
	event->pub.program = event->program_34;
	if (!event->pub.program && !event->handler) /* a handler does not need it */
		event->pub.parse_error = p.error ? p.error : "out of memory";
	arena_done(&scratch);
}

/* `print fmt:`; false when it is missing. */
static bool find_print_fmt(struct event_impl *event, struct lexer *lexer)
{
	struct token token = lex_next_item(lexer);
	const char *text;

	if (!token_is(&token, TOKEN_ITEM, "print"))
		return false;
	token = lex_next(lexer);
	if (!token_is(&token, TOKEN_ITEM, "fmt"))
		return false;
	token = lex_next(lexer);
	if (!token_is(&token, TOKEN_OP, ":"))
		return false;
	text = lexer->text + lexer->pos;
	event->pub.print_fmt = *text == ' ' ? text + 1 : text;
	return true;
}

static void set_handler(struct event_db *db, struct event_impl *event)
{
	const struct handler *handler = handler_find(event->pub.system, event->pub.name);

	if (!strcmp(event->pub.name, "user_stack") && event->is_ftrace)
		event->pub.kind = EVENT_USER_STACK;
	if (event->is_bprint) {
		event->handler_fields[BPRINT_IP] = event_field_find(&event->pub, "ip");
		event->handler_fields[BPRINT_FMT] = event_field_find(&event->pub, "fmt");
		event->handler_fields[BPRINT_BUF] = event_field_find(&event->pub, "buf");
	}
	if (!handler)
		return;
	event->pub.kind = handler->kind;
	if (db->options.no_handlers)
		return;
	event->handler = handler;
	for (int i = 0; i < HANDLER_MAX_FIELDS && handler->fields[i]; i++)
		event->handler_fields[i] = event_field_find(&event->pub, handler->fields[i]);
}

static bool knows_id(const struct event_db *db, size_t id)
{
	return id < db->nr_ids && db->by_id[id];
}

static int reserve_id(struct event_db *db, size_t id)
{
	if (id < db->nr_ids)
		return 0;
	if (array_reserve(&db->by_id, &db->cap_ids, id + 1, sizeof(*db->by_id)))
		return -ENOMEM;
	memset(db->by_id + db->nr_ids, 0, (db->cap_ids - db->nr_ids) * sizeof(*db->by_id));
	db->nr_ids = db->cap_ids;
	return 0;
}

static int read_format(struct event_db *db, struct event_impl *event, struct err *err)
{
	struct lexer lexer = {.text = event->pub.format, .len = event->pub.format_len};
	int r;

	lexer.arena = &db->arena;
	r = format_parse_fields(db, event, &lexer, err);
	if (r)
		return r;
	if (knows_id(db, event->pub.id))
		return 0; /* the first one counts */
	set_handler(db, event);
	if (find_print_fmt(event, &lexer))
		compile_both(db, event, &lexer);
	else
		event->pub.parse_error = "no print fmt";
	if (array_reserve(&db->events, &db->cap_events, db->nr_events + 1, sizeof(*db->events)) ||
	    reserve_id(db, event->pub.id))
		return err_set(err, -ENOMEM, "out of memory");
	db->events[db->nr_events++] = event;
	db->by_id[event->pub.id] = event;
	return 0;
}

int event_db_add_format(struct event_db *db, const char *system, const char *text, size_t len,
			struct err *err)
{
	struct event_impl *event = arena_alloc(&db->arena, sizeof(*event));

	if (len > LIMIT_FORMAT_BYTES)
		return err_set(err, -EBADMSG, "the format is longer than %u bytes",
			       LIMIT_FORMAT_BYTES);
	if (event) {
		event->pub.db = db;
		event->pub.print_fmt = "";
		event->pub.system = arena_strdup(&db->arena, system);
		event->pub.format = arena_strndup(&db->arena, text, len);
		event->pub.format_len = (uint32_t)len;
		event->is_ftrace = !strcmp(system, "ftrace");
	}
	if (!event || !event->pub.system || !event->pub.format)
		return err_set(err, -ENOMEM, "out of memory");
	return read_format(db, event, err);
}

/*
 * The blk tracer's records have no format of their own. trace-cmd gives them the number behind
 * that of user_stack (formerly of other events), and so few fields.
 */
static int add_blktrace(struct event_db *db)
{
	static const char *const before[] = {"power", "kmem_free", "user_stack"};
	static const char fields[] =
		"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\n"
		"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\n"
		"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\n"
		"\tfield:int common_pid;\toffset:4;\tsize:4;\n"
		"\n"
		"\tfield:u64 sector;\toffset:16;\tsize:8;\n"
		"\tfield:int bytes;\toffset:24;\tsize:4;\n"
		"\tfield:int action;\toffset:28;\tsize:4;\n"
		"\tfield:int pid;\toffset:32;\tsize:4;\n"
		"\tfield:int device;\toffset:36;\tsize:4;\n"
		"\tfield:int cpu;\toffset:40;\tsize:4;\n"
		"\tfield:short error;\toffset:44;\tsize:2;\n"
		"\tfield:short pdu_len;\toffset:46;\tsize:2;\n"
		"\tfield:void data;\toffset:48;\tsize:0;\n"
		"\n"
		"print fmt: \"%d\", REC->pid\n";
	_cleanup_out_ struct out text = {0};
	const struct event *event = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(before) && !event; i++)
		event = event_db_by_name(db, "ftrace", before[i]);
	if (!event || event->id == UINT16_MAX || knows_id(db, event->id + 1u))
		return 0;
	out_lit(&text, "name: blktrace\nID: ");
	out_u64(&text, event->id + 1u);
	out_lit(&text, "\nformat:\n");
	out_lit(&text, fields);
	if (text.failed)
		return -ENOMEM;
	return event_db_add_format(db, "ftrace", text.buf, text.len, NULL);
}

/* --- printk formats --- */

/* Without its quotes and a line end at its end. */
static struct span printk_text(struct span text)
{
	if (text.len && text.p[0] == '"') {
		text.p++;
		text.len--;
	}
	if (text.len && text.p[text.len - 1] == '"') {
		text.len--;
		if (text.len >= 2 && !memcmp(text.p + text.len - 2, "\\n", 2))
			text.len -= 2;
	}
	return text;
}

/* `0xADDR : "text"` */
static int add_printk_line(struct event_db *db, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	struct printk printk = {0};
	struct span text;
	char *copy;

	if (!colon)
		return 0;
	while (len && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	if (len > 2 && line[0] == '0' && (line[1] | 0x20) == 'x') {
		line += 2;
		len -= 2;
	}
	for (const char *p = line; p < colon; p++) {
		char c = (char)(*p | 0x20);

		if (*p >= '0' && *p <= '9')
			printk.addr = printk.addr << 4 | (uint64_t)(*p - '0');
		else if (c >= 'a' && c <= 'f')
			printk.addr = printk.addr << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	text.p = colon + 1;
	text.len = len - (size_t)(text.p - line);
	if (text.len) { /* the blank behind the colon */
		text.p++;
		text.len--;
	}
	text = printk_text(text);
	copy = arena_strndup(&db->arena, text.p, text.len);
	if (!copy ||
	    array_reserve(&db->printks, &db->cap_printks, db->nr_printks + 1, sizeof(*db->printks)))
		return -ENOMEM;
	printk.text = copy;
	printk.len = text.len;
	printk.order = db->nr_printks;
	db->printks[db->nr_printks++] = printk;
	return 0;
}

static int for_lines(struct event_db *db, const char *text, size_t len,
		     int (*add)(struct event_db *, const char *, size_t))
{
	const char *end = text + len;

	while (text < end && *text) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		int r;

		if (!eol)
			eol = text + strnlen(text, (size_t)(end - text));
		r = add(db, text, (size_t)(eol - text));
		if (r)
			return r;
		text = eol + 1;
	}
	return 0;
}

int event_db_add_printk(struct event_db *db, const char *text, size_t len)
{
	return for_lines(db, text, len, add_printk_line);
}

/* --- command names --- */

int event_db_add_cmdline(struct event_db *db, int32_t pid, const char *comm)
{
	struct cmdline cmdline = {.pid = pid, .order = db->nr_cmdlines};

	cmdline.comm = arena_strdup(&db->arena, comm);
	if (!cmdline.comm || array_reserve(&db->cmdlines, &db->cap_cmdlines, db->nr_cmdlines + 1,
					   sizeof(*db->cmdlines)))
		return -ENOMEM;
	db->cmdlines[db->nr_cmdlines++] = cmdline;
	return 0;
}

/* `PID COMM` */
static int add_cmdline_line(struct event_db *db, const char *line, size_t len)
{
	struct span text = {line, len};
	char comm[LIMIT_STRING_BYTES];
	int64_t pid;

	while (text.len && *text.p == ' ') {
		text.p++;
		text.len--;
	}
	pid = span_i64(text);
	while (text.len && *text.p != ' ') {
		text.p++;
		text.len--;
	}
	while (text.len && *text.p == ' ') {
		text.p++;
		text.len--;
	}
	if (!text.len || text.len >= sizeof(comm) || pid < INT32_MIN || pid > INT32_MAX)
		return 0;
	memcpy(comm, text.p, text.len);
	comm[text.len] = '\0';
	return event_db_add_cmdline(db, (int32_t)pid, comm);
}

int event_db_add_cmdlines(struct event_db *db, const char *text, size_t len)
{
	return for_lines(db, text, len, add_cmdline_line);
}

/* --- sealing --- */

/* Of equal ones the later entry comes first, as trace-cmd has them. */
static int compare_printks(const void *a, const void *b)
{
	const struct printk *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->order > y->order ? -1 : 1;
}

static int compare_cmdlines(const void *a, const void *b)
{
	const struct cmdline *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->order > y->order ? -1 : 1;
}

static void compile_printks(struct event_db *db, struct event_impl *bprint)
{
	for (size_t i = 0; i < db->nr_printks; i++) {
		struct printk *printk = &db->printks[i];
		struct arena scratch = {0};
		struct parser p = {.db = db, .event = bprint, .scratch = &scratch};
		struct span text = {printk->text, printk->len};

		printk->program_34 = compile_bprint(&p, text, false);
		p.error = NULL;
		p.work = 0;
		printk->program_31 = compile_bprint(&p, text, true);
		/* 3.1 loses count of the arguments at %-5d and %c: not a thing to repeat. */
		if (!printk->program_31)
			printk->program_31 = printk->program_34;
		arena_done(&scratch);
	}
}

/* A cheap hash of a name: most symbols share none of it with a name that is looked for. */
static size_t name_hash(struct span name)
{
	const char *p = name.p;

	return (name.len * 31 + (uint8_t)p[0] * 7 + (uint8_t)p[name.len / 2] * 131 +
		(uint8_t)p[name.len - 1] * 1021) %
	       PENDING_SLOTS;
}

/* Give all names in this slot that are `symbol` its address; the first symbol of a name counts. */
static void resolve(struct pending *pending, const struct symbol *symbol)
{
	for (; pending; pending = pending->next)
		if (pending->num->op == NUM_PENDING && symbol->name_len == pending->name.len &&
		    !memcmp(symbol->name, pending->name.p, symbol->name_len)) {
			pending->num->value = symbol->addr;
			pending->num->op = NUM_CONST;
		}
}

/* Names in print fmts that turn out to be symbols, in one walk over all symbols. */
static void resolve_pending(struct event_db *db)
{
	struct pending *slots[PENDING_SLOTS] = {0}, *next;

	if (!db->pending)
		return;
	for (struct pending *pending = db->pending; pending; pending = next) {
		size_t hash = name_hash(pending->name);

		next = pending->next;
		pending->next = slots[hash];
		slots[hash] = pending;
	}
	db->pending = NULL;
	for (size_t i = 0; i < symbols_count(db->symbols); i++) {
		const struct symbol *symbol = symbols_at(db->symbols, i);
		struct span name = {symbol->name, symbol->name_len};

		if (name.len)
			resolve(slots[name_hash(name)], symbol);
	}
}

static const struct event_field *common_field(const struct event *event, const char *name)
{
	for (uint32_t i = 0; i < event->nr_common; i++)
		if (!strcmp(event->fields[i].name, name))
			return &event->fields[i];
	return NULL;
}

static void place(const struct event *event, const char *name, uint32_t *offset, uint32_t *size)
{
	const struct event_field *field = common_field(event, name);

	if (field) {
		*offset = field->offset;
		*size = field->size;
	}
}

static void set_common(struct event_db *db)
{
	struct event_common *common = &db->common;
	const struct event_field *field;
	const struct event *event;

	/* Where there is no format at all: as every kernel has had them since 2.6.31. */
	*common = (struct event_common){
		.type_size = 2,
		.flags_offset = 2,
		.flags_size = 1,
		.preempt_offset = 3,
		.preempt_size = 1,
		.pid_offset = 4,
		.pid_size = 4,
		.migrate_disable_offset = -1,
		.lock_depth_offset = -1,
	};
	if (!db->nr_events)
		return;
	event = &db->events[0]->pub;
	place(event, "common_type", &common->type_offset, &common->type_size);
	place(event, "common_flags", &common->flags_offset, &common->flags_size);
	place(event, "common_preempt_count", &common->preempt_offset, &common->preempt_size);
	place(event, "common_pid", &common->pid_offset, &common->pid_size);
	field = common_field(event, "common_migrate_disable");
	if (field)
		common->migrate_disable_offset = (int32_t)field->offset;
	field = common_field(event, "common_lock_depth");
	if (field)
		common->lock_depth_offset = (int32_t)field->offset;
}

int event_db_seal(struct event_db *db)
{
	struct event_impl *bprint;
	int r;

	if (db->sealed)
		return 0;
	r = add_blktrace(db);
	if (r)
		return r;
	if (!db->symbols) {
		r = symbols_new(&db->symbols);
		if (!r)
			r = symbols_seal(db->symbols);
		if (r)
			return r;
	}
	if (db->nr_printks)
		qsort(db->printks, db->nr_printks, sizeof(*db->printks), compare_printks);
	if (db->nr_cmdlines)
		qsort(db->cmdlines, db->nr_cmdlines, sizeof(*db->cmdlines), compare_cmdlines);
	bprint = (struct event_impl *)(uintptr_t)event_db_by_name(db, "ftrace", "bprint");
	if (bprint)
		compile_printks(db, bprint);
	resolve_pending(db);
	set_common(db);
	db->sealed = true;
	return 0;
}

void event_db_set_symbols(struct event_db *db, struct symbols *symbols)
{
	symbols_free(db->symbols);
	db->symbols = symbols;
}

/* --- looking up --- */

const struct event_common *event_db_common(const struct event_db *db)
{
	return &db->common;
}

const struct symbols *event_db_symbols(const struct event_db *db)
{
	return db->symbols;
}

bool event_db_big_endian(const struct event_db *db)
{
	return db->options.big_endian;
}

uint8_t event_db_long_size(const struct event_db *db)
{
	return db->options.long_size;
}

const struct event *event_db_by_id(const struct event_db *db, uint16_t id)
{
	return knows_id(db, id) ? &db->by_id[id]->pub : NULL;
}

const struct event *event_db_by_name(const struct event_db *db, const char *system,
				     const char *name)
{
	for (size_t i = 0; i < db->nr_events; i++) {
		const struct event *event = &db->events[i]->pub;

		if (!strcmp(event->name, name) && (!system || !strcmp(event->system, system)))
			return event;
	}
	return NULL;
}

size_t event_db_count(const struct event_db *db)
{
	return db->nr_events;
}

bool event_db_text_follows(const struct event_db *db)
{
	for (size_t i = 0; i < db->nr_events; i++) {
		const struct event_impl *event = db->events[i];

		for (uint32_t j = 0; !event->program_31 && j < event->pub.nr_fields; j++)
			if (event->extra[j].traits & FIELD_CHARS)
				return true;
	}
	return false;
}

const struct event *event_db_at(const struct event_db *db, size_t index)
{
	return &db->events[index]->pub;
}

/* The entry that a bisection meets first, as trace-cmd's does. */
const struct printk *db_printk(const struct event_db *db, uint64_t addr)
{
	size_t low = 0, high = db->nr_printks;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (db->printks[mid].addr == addr)
			return &db->printks[mid];
		if (db->printks[mid].addr < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const char *event_db_printk(const struct event_db *db, uint64_t addr)
{
	const struct printk *printk = db_printk(db, addr);

	return printk ? printk->text : NULL;
}

size_t event_db_nr_printks(const struct event_db *db)
{
	return db->nr_printks;
}

const char *event_db_printk_at(const struct event_db *db, size_t index, uint64_t *ret_addr)
{
	*ret_addr = db->printks[index].addr;
	return db->printks[index].text;
}

const char *event_db_comm(const struct event_db *db, int32_t pid)
{
	size_t low = 0, high = db->nr_cmdlines;

	if (!pid)
		return "<idle>";
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (db->cmdlines[mid].pid == pid)
			return db->cmdlines[mid].comm;
		if (db->cmdlines[mid].pid < pid)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* How many names belong to pids smaller than `pid`, or also to it. */
static size_t cmdlines_below(const struct event_db *db, int32_t pid, bool with_pid)
{
	size_t low = 0, high = db->nr_cmdlines;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int32_t at = db->cmdlines[mid].pid;

		if (at < pid || (with_pid && at == pid))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

size_t event_db_comm_rank(const struct event_db *db, int32_t pid, size_t *ret_before,
			  size_t *ret_same)
{
	*ret_before = cmdlines_below(db, pid, false);
	*ret_same = cmdlines_below(db, pid, true) - *ret_before;
	return db->nr_cmdlines;
}

/* --- fields --- */

const struct event_field *event_field_find(const struct event *event, const char *name)
{
	for (uint32_t i = 0; i < event->nr_fields; i++)
		if (!strcmp(event->fields[i].name, name))
			return &event->fields[i];
	return NULL;
}

uint64_t event_field_u64(const struct event *event, const struct event_field *field,
			 const void *data, uint32_t len)
{
	const uint8_t *bytes = data;
	bool big = event->db->options.big_endian;

	if (field->offset > len || field->size > len - field->offset)
		return 0;
	bytes += field->offset;
	return field->flags & EVENT_FIELD_SIGNED ? (uint64_t)load_int(bytes, field->size, big)
						 : load_uint(bytes, field->size, big);
}

const void *event_field_bytes(const struct event *event, const struct event_field *field,
			      const void *data, uint32_t len, uint32_t *ret_len)
{
	uint64_t offset = field->offset, size = field->size;
	const uint8_t *bytes = data;

	*ret_len = 0;
	if (offset > len)
		return NULL;
	if (field->flags & EVENT_FIELD_DYNAMIC) {
		uint64_t where;

		if (size > len - offset)
			return NULL;
		where = load_uint(bytes + offset, field->size, event->db->options.big_endian);
		offset = where & 0xffff;
		if (field->flags & EVENT_FIELD_RELATIVE)
			offset += field->offset + field->size;
		if (offset > len)
			return NULL;
		size = field->size == 2 ? len - offset : where >> 16 & 0xffff;
	} else if (!size) {
		size = len - offset;
	}
	*ret_len = (uint32_t)MIN(size, len - offset);
	return bytes + offset;
}
