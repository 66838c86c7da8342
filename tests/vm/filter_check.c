/* SPDX-License-Identifier: MIT */
/*
 * filter_check LIST DIR RELEASE: what filter_try has brought back from a guest against src/expr:
 * the kernel's answer to each filter, and the records that each has let through, which must be
 * those that the same filter lets through of all records. For filters-in-guest; says what differs,
 * and then "N triggers, N filters, N refused, N of N records passed, N differences".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "expr/kfilter.h"
#include "expr/trigger.h"
#include "ring/subbuf.h"

#define CPUS	    2
#define MAX_EVENTS  64
#define MAX_RECORDS 65536

struct active {
	const struct event *event;
	struct kfilter *filter; /* NULL: refused, or none so far: all pass */
	char text[5000];
};

struct stream {
	char *pages;
	struct subbuf_record records[MAX_RECORDS];
	size_t nr;
};

static struct {
	struct event_db *db;
	struct kfilter_kernel kernel;
	struct active active[MAX_EVENTS];
	size_t nr_active;
	unsigned long nr_filters, nr_refused, nr_triggers, nr_records, nr_passed, nr_differences;
} check;

static void die(const char *what)
{
	fprintf(stderr, "filter_check: %s\n", what);
	exit(2);
}

static char *slurp(const char *dir, const char *name, size_t *ret_len)
{
	char path[4096], *text = NULL;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (io_read_file(path, 64 << 20, &text, ret_len) < 0)
		die(path);
	return text;
}

/* Pieces "== SYSTEM/EVENT\n" and the format's text. */
static void read_formats(char *text)
{
	struct err err;

	for (char *at = strstr(text, "== "); at;) {
		char *name = at + 3, *body = strchr(at, '\n') + 1, *slash;

		at = strstr(body, "== ");
		if (at)
			at[-1] = '\0';
		body[-1] = '\0';
		slash = strchr(name, '/');
		*slash = '\0';
		if (event_db_add_format(check.db, name, body, strlen(body), &err) < 0)
			die(err.text);
	}
}

static void read_machine(const char *dir)
{
	const struct event_db_options options = {.long_size = 8};
	struct symbols *symbols = NULL;
	char *text;
	size_t len;

	if (event_db_new(&check.db, &options) < 0 || symbols_new(&symbols) < 0)
		die("no memory");
	text = slurp(dir, "formats", &len);
	read_formats(text);
	mem_free(text);
	text = slurp(dir, "kallsyms", &len);
	if (symbols_add_kallsyms(symbols, text, len) < 0 || symbols_seal(symbols) < 0)
		die("kallsyms");
	mem_free(text);
	event_db_set_symbols(check.db, symbols);
	if (event_db_seal(check.db) < 0)
		die("no memory");
}

static struct active *find_active(const char *event)
{
	char system[256];
	size_t len = strcspn(event, "/");
	const struct event *found;

	snprintf(system, sizeof(system), "%.*s", (int)len, event);
	found = event_db_by_name(check.db, system, event + len + 1);
	for (size_t i = 0; i < check.nr_active; i++)
		if (check.active[i].event == found)
			return &check.active[i];
	if (!found || check.nr_active == MAX_EVENTS)
		die(event);
	check.active[check.nr_active].event = found;
	return &check.active[check.nr_active++];
}

static void unescape(const char *from, char *to)
{
	unsigned int byte;

	while (*from) {
		if (from[0] == '\\' && from[1] == 'x' && sscanf(from + 2, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

/* One line of LIST and the kernel's answer to it. */
static void check_answer(char *line, const char *answer)
{
	struct kfilter_error error;
	struct active *active;
	char *tab = strchr(line, '\t'), kernel_message[200] = "";
	int round, code, column;
	size_t len;
	struct err err;

	*tab = '\0';
	active = find_active(line);
	unescape(tab + 1, active->text);
	if (sscanf(answer, "%d\t%d\t%d\t%199[^\n]", &round, &code, &column, kernel_message) < 3)
		die(answer);
	kfilter_free(active->filter);
	active->filter = NULL;
	if (kfilter_new(&active->filter, active->event, active->text, &check.kernel, KFILTER_STRICT,
			&error, &err) < 0 &&
	    !error.code)
		die(err.text);
	len = strlen(active->text);
	while (len && strchr(" \t\n\v\f\r\xa0", active->text[len - 1]))
		len--;
	check.nr_filters++;
	check.nr_refused += code != 0;
	if (code == -error.code && (size_t)column == MIN(error.column, len) &&
	    !strcmp(kernel_message, error.message ? error.message : ""))
		return;
	check.nr_differences++;
	printf("# %s: %s\n#   kernel: %d %d %s\n#   sonde:  %d %zu %s\n", line, active->text, code,
	       column, kernel_message, -error.code, error.column,
	       error.message ? error.message : "");
}

static void read_stream(struct stream *stream, const char *dir, int round, const char *name,
			int cpu)
{
	const struct subbuf_layout layout = {.size = 4096, .long_size = 8};
	struct subbuf_cursor cursor;
	char file[100];
	size_t len;

	snprintf(file, sizeof(file), "%d.%s.%d", round, name, cpu);
	stream->pages = slurp(dir, file, &len);
	stream->nr = 0;
	for (size_t at = 0; at + layout.size <= len; at += layout.size) {
		if (subbuf_open(&cursor, &layout, stream->pages + at, layout.size) < 0 ||
		    cursor.lost)
			die("a page that is none, or lost records");
		while (stream->nr < MAX_RECORDS &&
		       subbuf_next(&cursor, &stream->records[stream->nr]))
			stream->nr++;
	}
}

static const struct active *active_of(const struct subbuf_record *record)
{
	for (size_t i = 0; i < check.nr_active; i++)
		if (check.active[i].event->id == load_u16(record->data, false))
			return &check.active[i];
	return NULL;
}

/* The name of the task that made the record, where the record itself has it. */
static bool own_comm(const struct event *event, const uint8_t *data, char comm[17])
{
	const char *name = !strcmp(event->name, "sched_switch")	 ? "prev_comm"
			   : !strcmp(event->name, "task_rename") ? "oldcomm"
								 : NULL;
	const struct event_field *field = name ? event_field_find(event, name) : NULL;

	if (field)
		snprintf(comm, 17, "%.16s", (const char *)data + field->offset);
	return field;
}

static bool passes(const struct subbuf_record *record, int cpu)
{
	const struct active *active = active_of(record);
	struct filter_record in = {.data = record->data, .len = record->len, .cpu = (uint32_t)cpu};
	char comm[17];

	if (!active || !active->filter)
		return active;
	if (own_comm(active->event, record->data, comm))
		in.comm = comm;
	return kfilter_test(active->filter, &in);
}

/* Field by field, since what lies between and behind them is anything. */
static bool same(const struct subbuf_record *a, const struct subbuf_record *b)
{
	const struct active *active = active_of(a);

	for (uint32_t i = 0; active && i < active->event->nr_fields; i++) {
		const struct event_field *field = &active->event->fields[i];
		uint32_t len_a = 0, len_b = 0;
		const void *p, *q;

		/* Of another moment: flags and preempt count, and a timer's clock. */
		if (field->offset == 2 || field->offset == 3 || !strcmp(field->name, "now"))
			continue;
		if (!(field->flags & (EVENT_FIELD_ARRAY | EVENT_FIELD_DYNAMIC))) {
			if (memcmp(a->data + field->offset, b->data + field->offset, field->size))
				return false;
			continue;
		}
		p = event_field_bytes(active->event, field, a->data, a->len, &len_a);
		q = event_field_bytes(active->event, field, b->data, b->len, &len_b);
		if (len_a != len_b ||
		    (field->flags & EVENT_FIELD_STRING ? strncmp(p, q, len_a)
						       : memcmp(p, q, len_a)) != 0)
			return false;
	}
	return active && load_u16(b->data, false) == active->event->id;
}

static void differs(const struct subbuf_record *record, int round, const char *what)
{
	const struct active *active = active_of(record);

	check.nr_differences++;
	printf("# round %d: %s: %s: %s\n", round, what, active ? active->event->name : "?",
	       active ? active->text : "");
}

static size_t next_of(const struct stream *stream, size_t i, const struct active *active)
{
	while (i < stream->nr && active_of(&stream->records[i]) != active)
		i++;
	return i;
}

/*
 * One event's records that came between `on` and `off`, when both instances took them; before and
 * after, an instance may have some that the other has not.
 */
static void compare(const struct stream *all, const struct stream *some,
		    const struct active *active, int cpu, int round, uint64_t on, uint64_t off)
{
	size_t j = next_of(some, 0, active);

	for (size_t i = next_of(all, 0, active); i < all->nr; i = next_of(all, i + 1, active)) {
		const struct subbuf_record *record = &all->records[i];
		bool between = record->ts > on && record->ts < off, pass = passes(record, cpu);

		check.nr_records += between;
		while (pass && between && j < some->nr && some->records[j].ts < on &&
		       !same(record, &some->records[j]))
			j = next_of(some, j + 1, active);
		if (j < some->nr && same(record, &some->records[j])) {
			if (!pass && between)
				differs(record, round, "passed in the kernel only");
			check.nr_passed += between;
			j = next_of(some, j + 1, active);
		} else if (pass && between) {
			differs(record, round, "did not pass in the kernel");
		}
	}
	for (; j < some->nr; j = next_of(some, j + 1, active))
		if (some->records[j].ts > on && some->records[j].ts < off)
			differs(&some->records[j], round, "in the kernel only");
}

static void check_round(const char *dir, int round, const char *times)
{
	static struct stream all, some;
	unsigned long long on, off;
	int number;

	if (sscanf(times, "%d %llu %llu", &number, &on, &off) != 3 || number != round)
		die(times);
	for (int cpu = 0; cpu < CPUS; cpu++) {
		read_stream(&all, dir, round, "all", cpu);
		read_stream(&some, dir, round, "some", cpu);
		for (size_t i = 0; i < check.nr_active; i++)
			compare(&all, &some, &check.active[i], cpu, round, on, off);
		mem_free(all.pages);
		mem_free(some.pages);
	}
}

/* Cuts the next line off. */
static char *next_line(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	if (!end)
		die("a short file");
	*end = '\0';
	*text = end + 1;
	return line;
}

/* As the kernel does: all of it must be right when it is set; an event must be there. */
static bool trigger_accepted(const char *text)
{
	const struct event *on = event_db_by_name(check.db, "sched", "sched_switch");
	struct kfilter *filter = NULL;
	struct trigger_rule rule;
	struct err err;

	if (trigger_rule_parse(&rule, text, &err) < 0)
		return false;
	if (rule.system[0] && !event_db_by_name(check.db, rule.system, rule.event))
		return false;
	if (rule.filter &&
	    kfilter_new(&filter, on, rule.filter, &check.kernel, KFILTER_STRICT, NULL, &err) < 0)
		return false;
	kfilter_free(filter);
	return true;
}

static void check_triggers(const char *dir)
{
	size_t len;
	char *texts = slurp(dir, "triggers", &len), *answers = slurp(dir, "trigger-answers", &len);

	while (*texts) {
		const char *text = next_line(&texts), *answer = next_line(&answers);

		check.nr_triggers++;
		if (trigger_accepted(text) == !strcmp(answer, "0"))
			continue;
		check.nr_differences++;
		printf("# sched_switch trigger '%s': kernel says %s\n", text, answer);
	}
}

int main(int argc, char **argv)
{
	char *list, *answers, *times, *line;
	int round = 0;
	size_t len;

	if (argc != 4)
		die("usage: filter_check LIST DIR RELEASE");
	read_machine(argv[2]);
	kfilter_kernel_init(&check.kernel, argv[3], CPUS);
	list = slurp("/", argv[1], &len);
	answers = slurp(argv[2], "answers", &len);
	times = slurp(argv[2], "times", &len);
	while (*list) {
		line = next_line(&list);
		if (*line)
			check_answer(line, next_line(&answers));
		else
			check_round(argv[2], round++, next_line(&times));
	}
	check_triggers(argv[2]);
	printf("%lu triggers, %lu filters, %lu refused, %lu of %lu records passed, %lu "
	       "differences\n",
	       check.nr_triggers, check.nr_filters, check.nr_refused, check.nr_passed,
	       check.nr_records, check.nr_differences);
	return check.nr_differences != 0;
}
