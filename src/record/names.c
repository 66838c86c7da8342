/* SPDX-License-Identifier: MIT */
#include "record/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/mem.h"
#include "event/event.h"
#include "ring/subbuf.h"

#define PIDS_MAX       (1u << 22) /* the kernel's largest number of pids */
#define NR_IDS	       65536u
#define INITIAL_PID_NS "pid:[4026531836]"

/* Events that name a task. Of a program that is started, the file's last part is the name. */
static const struct name_source {
	const char *system, *event, *pid, *comm;
	bool is_path;
} sources[] = {
	{"sched", "sched_switch", "next_pid", "next_comm"},
	{"sched", "sched_switch", "prev_pid", "prev_comm"},
	{"sched", "sched_wakeup", "pid", "comm"},
	{"sched", "sched_wakeup_new", "pid", "comm"},
	{"sched", "sched_waking", "pid", "comm"},
	{"sched", "sched_process_fork", "child_pid", "child_comm"},
	{"sched", "sched_process_exec", "pid", "filename", true},
	{"sched", "sched_process_exit", "pid", "comm"},
	{"task", "task_newtask", "pid", "comm"},
	{"task", "task_rename", "pid", "newcomm"},
};

struct names_field {
	const struct event *event;
	const struct event_field *pid, *comm;
	bool is_path;
};

struct names {
	struct event_db *db;
	struct subbuf_layout layout;
	uint32_t type_offset, pid_offset;
	struct names_field fields[ARRAY_SIZE(sources)]; /* those of one event side by side */
	size_t nr_fields;
	uint8_t first[NR_IDS]; /* by event id: index of its first field, plus 1 */
};

struct names_reader {
	const struct names *names;
	int32_t last_pid;
	uint64_t *seen; /* one bit a pid */
	struct comms comms;
};

static void find_fields(struct names *names)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		const struct event *event =
			event_db_by_name(names->db, sources[i].system, sources[i].event);
		struct names_field field = {.event = event, .is_path = sources[i].is_path};

		if (!event)
			continue;
		field.pid = event_field_find(event, sources[i].pid);
		field.comm = event_field_find(event, sources[i].comm);
		if (!field.pid || !field.comm)
			continue;
		names->fields[names->nr_fields++] = field;
		if (!names->first[event->id])
			names->first[event->id] = (uint8_t)names->nr_fields;
	}
}

int names_new(struct names **ret_names, const struct dat_format *formats, size_t nr,
	      const struct subbuf_layout *layout)
{
	struct event_db_options options = {
		.big_endian = layout->big_endian,
		.long_size = layout->long_size,
	};
	struct names *names = mem_zalloc(sizeof(*names));
	const struct event_common *common;
	struct err ignored;
	int r;

	if (!names)
		return -ENOMEM;
	names->layout = *layout;
	r = event_db_new(&names->db, &options);
	for (size_t i = 0; i < nr && r == 0; i++) {
		/* The first one is for the common fields. */
		if (i && strcmp(formats[i].system, "sched") && strcmp(formats[i].system, "task"))
			continue;
		/* A format that cannot be understood is no loss here. */
		r = event_db_add_format(names->db, formats[i].system, formats[i].text,
					formats[i].len, &ignored);
		if (r != -ENOMEM)
			r = 0;
	}
	if (r == 0)
		r = event_db_seal(names->db);
	if (r < 0) {
		names_free(names);
		return r;
	}
	common = event_db_common(names->db);
	names->type_offset = common->type_offset;
	names->pid_offset = common->pid_offset;
	find_fields(names);
	*ret_names = names;
	return 0;
}

void names_free(struct names *names)
{
	if (!names)
		return;
	event_db_free(names->db);
	mem_free(names);
}

int names_reader_new(struct names_reader **ret_reader, const struct names *names)
{
	struct names_reader *reader = mem_zalloc(sizeof(*reader));

	if (!reader)
		return -ENOMEM;
	reader->names = names;
	reader->seen = mem_calloc(PIDS_MAX / 64, sizeof(uint64_t));
	if (!reader->seen) {
		mem_free(reader);
		return -ENOMEM;
	}
	*ret_reader = reader;
	return 0;
}

void names_reader_free(struct names_reader *reader)
{
	if (!reader)
		return;
	comms_done(&reader->comms);
	mem_free(reader->seen);
	mem_free(reader);
}

static void take_name(struct names_reader *reader, const struct names_field *field,
		      const struct subbuf_record *record)
{
	uint64_t pid = event_field_u64(field->event, field->pid, record->data, record->len);
	uint32_t len;
	const char *text =
		event_field_bytes(field->event, field->comm, record->data, record->len, &len);
	char comm[COMM_BYTES] = "";
	const char *end = text ? memchr(text, '\0', len) : NULL;

	if (!end || end == text || pid == 0 || pid >= PIDS_MAX)
		return;
	for (const char *slash = text; field->is_path && slash;) {
		text = slash;
		slash = memchr(text, '/', (size_t)(end - text));
		slash = slash ? slash + 1 : NULL;
	}
	memcpy(comm, text, MIN((size_t)(end - text), sizeof(comm) - 1));
	if (comms_set(&reader->comms, (int32_t)pid, comm, true) < 0)
		return;
}

static void scan_record(struct names_reader *reader, const struct subbuf_record *record)
{
	const struct names *names = reader->names;
	int32_t pid;
	uint16_t id;
	size_t i;

	if (record->len < names->pid_offset + 4 || record->len < names->type_offset + 2)
		return;
	pid = (int32_t)load_u32(record->data + names->pid_offset, names->layout.big_endian);
	if (pid != reader->last_pid && pid > 0 && (uint32_t)pid < PIDS_MAX) {
		reader->last_pid = pid;
		reader->seen[(uint32_t)pid / 64] |= 1ull << ((uint32_t)pid % 64);
	}
	id = load_u16(record->data + names->type_offset, names->layout.big_endian);
	if (!names->first[id])
		return;
	for (i = names->first[id] - 1u; i < names->nr_fields && names->fields[i].event->id == id;
	     i++)
		take_name(reader, &names->fields[i], record);
}

void names_scan(struct names_reader *reader, const void *page, uint32_t page_size)
{
	struct subbuf_layout layout = reader->names->layout;
	struct subbuf_cursor cursor;
	struct subbuf_record record;

	layout.size = page_size;
	if (subbuf_open(&cursor, &layout, page, page_size) < 0)
		return;
	while (subbuf_next(&cursor, &record) > 0)
		scan_record(reader, &record);
}

/* Pids in the trace are those of the initial namespace. */
static bool shares_pids(void)
{
	char link[64];
	ssize_t n = readlink("/proc/self/ns/pid", link, sizeof(link) - 1);

	if (n < 0)
		return false;
	link[n] = '\0';
	return !strcmp(link, INITIAL_PID_NS);
}

static int ask_living(int32_t pid, struct comms *comms)
{
	_cleanup_free_ char *text = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (io_read_file(path, 4096, &text, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return comms_set(comms, pid, text, false);
}

static int merge_living(const struct names_reader *reader, struct comms *comms)
{
	int r = 0;

	for (size_t word = 0; word < PIDS_MAX / 64; word++) {
		uint64_t bits = reader->seen[word];

		for (; bits && r == 0; bits &= bits - 1) {
			int32_t pid = (int32_t)(word * 64 + (size_t)__builtin_ctzll(bits));

			if (!comms_get(comms, pid))
				r = ask_living(pid, comms);
		}
	}
	return r;
}

int names_merge(const struct names_reader *reader, struct comms *comms)
{
	int r = 0;

	for (size_t i = 0; i < reader->comms.size && r == 0; i++) {
		const struct comms_entry *entry = &reader->comms.table[i];

		if (entry->pid)
			r = comms_set(comms, entry->pid, entry->comm, false);
	}
	return r == 0 && shares_pids() ? merge_living(reader, comms) : r;
}
