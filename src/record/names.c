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
#define CHUNK_PIDS     4096u
#define NR_RECENT      256u
#define NR_IDS	       65536u
#define WATCHED	       255u /* in place of an index: a record of this event is only noted */
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
	{"sonde", "thread", "pid", "comm"},
};

struct names_field {
	const struct event *event;
	const struct event_field *pid, *comm;
	bool is_path;
	bool is_plain; /* s32 and char[16] in their places */
};

struct names_recent {
	int32_t pid;
	char comm[COMM_BYTES];
};

struct names {
	struct event_db *db;
	struct subbuf_layout layout;
	uint32_t type_offset, pid_offset;
	struct names_field fields[ARRAY_SIZE(sources)]; /* those of one event side by side */
	size_t nr_fields;
	uint8_t first[NR_IDS]; /* by event id: index of its first field, plus 1, or WATCHED */
};

struct names_reader {
	const struct names *names;
	int32_t last_pid;
	bool watched;
	uint64_t nr_taken;
	uint64_t *seen[PIDS_MAX / CHUNK_PIDS]; /* one bit a pid; what has none is not there */
	/* By the low bits of a pid, what was set last: most events repeat what is known already. */
	struct names_recent recent[NR_RECENT];
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
		field.is_plain =
			field.pid->size == 4 && field.comm->size == COMM_BYTES &&
			!(field.comm->flags & (EVENT_FIELD_DYNAMIC | EVENT_FIELD_RELATIVE));
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
		if (i && strcmp(formats[i].system, "sched") && strcmp(formats[i].system, "task") &&
		    strcmp(formats[i].system, "sonde"))
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

void names_watch(struct names *names, uint16_t id)
{
	if (!names->first[id])
		names->first[id] = WATCHED;
}

uint64_t names_taken(const struct names_reader *reader)
{
	return reader->nr_taken;
}

bool names_watched(const struct names_reader *reader)
{
	return reader->watched;
}

int names_reader_new(struct names_reader **ret_reader, const struct names *names)
{
	struct names_reader *reader = mem_zalloc(sizeof(*reader));

	if (!reader)
		return -ENOMEM;
	reader->names = names;
	*ret_reader = reader;
	return 0;
}

void names_reader_free(struct names_reader *reader)
{
	if (!reader)
		return;
	comms_done(&reader->comms);
	for (size_t i = 0; i < ARRAY_SIZE(reader->seen); i++)
		mem_free(reader->seen[i]);
	mem_free(reader);
}

/* Whether the event says what it has said before; if not, it is remembered. */
static bool is_known(struct names_reader *reader, const struct names_field *field,
		     const struct subbuf_record *record)
{
	const uint8_t *comm = record->data + field->comm->offset;
	struct names_recent *recent;
	int32_t pid;

	if (!field->is_plain || field->pid->offset + 4 > record->len ||
	    field->comm->offset + COMM_BYTES > record->len)
		return false;
	pid = (int32_t)load_u32(record->data + field->pid->offset, HOST_BIG);
	recent = &reader->recent[(uint32_t)pid % NR_RECENT];
	if (recent->pid == pid && !memcmp(recent->comm, comm, COMM_BYTES))
		return true;
	recent->pid = pid;
	memcpy(recent->comm, comm, COMM_BYTES);
	return false;
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
	if (comms_set(&reader->comms, (int32_t)pid, comm, true) == 0)
		reader->nr_taken++;
}

static void take_names(struct names_reader *reader, uint16_t id, const struct subbuf_record *record)
{
	const struct names *names = reader->names;

	if (names->first[id] == WATCHED)
		reader->watched = true;
	for (size_t i = names->first[id] - 1u;
	     i < names->nr_fields && names->fields[i].event->id == id; i++) {
		if (!is_known(reader, &names->fields[i], record))
			take_name(reader, &names->fields[i], record);
	}
}

static void saw_pid(struct names_reader *reader, int32_t pid)
{
	uint32_t at = (uint32_t)pid % CHUNK_PIDS;
	uint64_t **chunk;

	reader->last_pid = pid;
	if (pid <= 0 || (uint32_t)pid >= PIDS_MAX)
		return;
	chunk = &reader->seen[(uint32_t)pid / CHUNK_PIDS];
	if (!*chunk)
		*chunk = mem_calloc(CHUNK_PIDS / 64, sizeof(uint64_t));
	if (*chunk)
		(*chunk)[at / 64] |= 1ull << (at % 64);
}

static uint32_t words_of(const uint8_t *record)
{
	uint32_t head = load_u32(record, HOST_BIG);

	return HOST_BIG ? head >> 27 : head & 31;
}

/*
 * Behind the records that are as long as the one before, of its task, and of events that name
 * nobody: in a program's ring nearly all. Where each of them begins is known before the one before
 * has been read, so a processor looks at several at a time.
 */
static const uint8_t *skip_alike(const struct names_reader *reader, const uint8_t *at,
				 const uint8_t *end, uint32_t words)
{
	const struct names *names = reader->names;
	const uint32_t bytes = 4 + words * 4;

	for (; end - at >= bytes && words_of(at) == words; at += bytes) {
		if ((int32_t)load_u32(at + 4 + names->pid_offset, HOST_BIG) != reader->last_pid ||
		    names->first[load_u16(at + 4 + names->type_offset, HOST_BIG)])
			break;
	}
	return at;
}

/*
 * Every record that is recorded passes here, so this is subbuf_next with all that is known put in:
 * the records are the host's own, most are short, and most come from the task of the one before.
 */
void names_scan(struct names_reader *reader, const void *page, uint32_t page_size)
{
	const struct names *names = reader->names;
	const uint32_t type_offset = names->type_offset, pid_offset = names->pid_offset;
	const uint32_t least = MAX(type_offset + 2, pid_offset + 4);
	struct subbuf_layout layout = names->layout;
	struct subbuf_cursor cursor;
	struct subbuf_record record = {0};

	layout.size = page_size;
	if (subbuf_open(&cursor, &layout, page, page_size) < 0)
		return;
	while (cursor.end - cursor.pos >= 4) {
		uint32_t words = words_of(cursor.pos);
		bool is_short;
		uint16_t id;
		int32_t pid;

		record.data = cursor.pos + 4;
		record.len = words * 4;
		is_short = words - 1u < SUBBUF_DATA_MAX &&
			   record.len <= (size_t)(cursor.end - record.data);
		if (is_short)
			cursor.pos = record.data + record.len;
		else if (subbuf_next_slow(&cursor, &record) <= 0)
			return;
		if (record.len < least)
			continue;
		pid = (int32_t)load_u32(record.data + pid_offset, HOST_BIG);
		if (pid != reader->last_pid)
			saw_pid(reader, pid);
		id = load_u16(record.data + type_offset, HOST_BIG);
		if (names->first[id])
			take_names(reader, id, &record);
		if (is_short)
			cursor.pos = skip_alike(reader, cursor.pos, cursor.end, words);
	}
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

/* The pids of one word of the bitmap, the first of which is `pid`. */
static int merge_word(uint64_t bits, int32_t pid, struct comms *comms)
{
	int r = 0;

	for (; bits && r == 0; bits &= bits - 1) {
		int32_t seen = pid + __builtin_ctzll(bits);

		if (!comms_get(comms, seen))
			r = ask_living(seen, comms);
	}
	return r;
}

static int merge_living(const struct names_reader *reader, struct comms *comms)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(reader->seen); i++) {
		for (size_t word = 0; reader->seen[i] && word < CHUNK_PIDS / 64 && r == 0; word++)
			r = merge_word(reader->seen[i][word], (int32_t)(i * CHUNK_PIDS + word * 64),
				       comms);
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
