/* SPDX-License-Identifier: MIT */
/*
 * Synthetic events: definitions, their formats, and the records that trace() makes, laid out as the
 * kernel's: a u64 a field, 256 bytes for an array of char, and what has no fixed length at the end.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "expr/hist_private.h"

enum {
	MAX_DEPTH = 8, /* synthetic events that fire one another */
	MAX_STACK_BYTES = (HIST_STACK_DEPTH + 1) * 8
};

static int refuse(struct hist_set *set, const char *message, const char *text, int code)
{
	hist_refuse(set, message, text);
	return code;
}

struct hist_synthetic *hist_find_synthetic(const struct hist_set *set, const char *name)
{
	for (size_t i = 0; i < set->nr_synthetics; i++)
		if (strcmp(set->synthetics[i]->name, name) == 0)
			return set->synthetics[i];
	return NULL;
}

static void free_synthetic(struct hist_synthetic *synthetic)
{
	event_db_free(synthetic->db);
	arena_done(&synthetic->arena);
	mem_free(synthetic);
}

void hist_synthetics_done(struct hist_set *set)
{
	for (size_t i = 0; i < set->nr_synthetics; i++)
		free_synthetic(set->synthetics[i]);
	mem_free(set->synthetics);
}

static bool is_good_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	if (!*name || !strchr(letters, *name))
		return false;
	return !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
				  "0123456789")];
}

static const struct {
	const char *name, *format;
	uint32_t size; /* 0: long */
} types[] = {
	{"s64", "%lld", 8}, {"u64", "%llu", 8},
	{"s32", "%d", 4},   {"u32", "%u", 4},
	{"s16", "%d", 2},   {"u16", "%u", 2},
	{"s8", "%d", 1},    {"u8", "%u", 1},
	{"char", "%d", 1},  {"unsigned char", "%u", 1},
	{"int", "%d", 4},   {"unsigned int", "%u", 4},
	{"long", "%ld", 0}, {"unsigned long", "%lu", 0},
	{"bool", "%d", 1},  {"pid_t", "%d", 4},
	{"gfp_t", "%x", 4},
};

/* -EINVAL, or the bytes of an array of char; 0: no fixed length. */
static int string_size(const char *type)
{
	const char *digits = strstr(type, "char[") + 5, *close = strchr(type, ']');
	char text[4] = "";
	uint64_t size;
	size_t len;

	if (!close || close < digits || close[1] || close - digits > 3)
		return -EINVAL;
	len = (size_t)(close - digits);
	if (!len)
		return 0;
	memcpy(text, digits, len);
	if (hist_parse_number(text, &size) < 0 || size > HIST_STRING_BYTES)
		return -EINVAL;
	return (int)size;
}

static int type_size(const struct hist_set *set, const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(type, types[i].name) == 0)
			return types[i].size ? (int)types[i].size
					     : (int)event_db_long_size(set->db);
	return strstr(type, "char[") ? string_size(type) : 0;
}

static const char *type_format(const struct synth_field *field)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(field->type, types[i].name) == 0)
			return types[i].format;
	return field->is_string || field->is_stack ? "%s" : "%llu";
}

/* [unsigned] TYPE NAME[ARRAY], already cut into words. */
static int set_field(struct hist_set *set, struct hist_synthetic *synthetic, const char *prefix,
		     const char *type, const char *name)
{
	struct synth_field *field = &synthetic->fields[synthetic->nr_fields];
	const char *array = strchr(name, '[');
	size_t name_len = array ? (size_t)(array - name) : strlen(name);
	_cleanup_out_ struct out out = {0};
	int size;

	field->name = arena_strndup(&synthetic->arena, name, name_len);
	if (!field->name)
		return -ENOMEM;
	if (!is_good_name(field->name))
		return refuse(set, "Illegal name", name, -EINVAL);
	out_printf(&out, "%s%s%s", prefix, type, array ? array : "");
	size = type_size(set, out_cstr(&out));
	if (size < 0)
		return refuse(set, array ? "Invalid array specification" : "Invalid type",
			      array ? name : type, -EINVAL);
	field->is_string = strstr(out_cstr(&out), "char[");
	field->is_stack = !field->is_string && strstr(out_cstr(&out), "long[");
	field->is_dynamic = size == 0;
	if (field->is_dynamic) {
		if (!field->is_string && !field->is_stack)
			return refuse(set, "Invalid type", type, -EINVAL);
		out_clear(&out);
		out_printf(&out, "__data_loc %s%s%s", prefix, type, array ? array : "");
		size = 8;
	}
	field->size = (uint32_t)size;
	field->type = arena_strdup(&synthetic->arena, out_cstr(&out));
	if (!field->type)
		return -ENOMEM;
	field->is_signed = *field->type != 'u' && strcmp(field->type, "gfp_t") != 0;
	synthetic->nr_fields++;
	return 0;
}

/* The next word of *text, cut out; NULL at the end. */
static char *next_word(char **text)
{
	char *word = *text + strspn(*text, HIST_BLANKS);

	if (!*word)
		return NULL;
	*text = word + strcspn(word, HIST_BLANKS);
	if (**text)
		*(*text)++ = '\0';
	return word;
}

/* The fields between two semicolons: older texts have several there. */
static int parse_fields(struct hist_set *set, struct hist_synthetic *synthetic, char *text)
{
	const char *type, *name, *prefix;
	int r = 0;

	while (r >= 0 && (type = next_word(&text))) {
		const char *first = type;

		prefix = "";
		name = next_word(&text);
		if (strcmp(type, "unsigned") == 0) {
			prefix = "unsigned ";
			type = name;
			name = type ? next_word(&text) : NULL;
			if (!name)
				return refuse(set, "Incomplete type", first, -EINVAL);
		}
		if (!name)
			return refuse(set, "Invalid field", type, -EINVAL);
		if (synthetic->nr_fields == HIST_PARAMS)
			return refuse(set, "Too many fields", NULL, -EINVAL);
		r = set_field(set, synthetic, prefix, type, name);
	}
	return r;
}

/* The common fields are those of any other event. */
static const char *common_fields(const struct event_db *db, size_t *ret_len)
{
	const struct event *event = event_db_count(db) ? event_db_at(db, 0) : NULL;
	const char *start = event ? strstr(event->format, "format:\n") : NULL;
	const char *end = start ? strstr(start, "\n\n") : NULL;

	if (!end)
		return NULL;
	start += strlen("format:\n");
	*ret_len = (size_t)(end + 1 - start);
	return start;
}

static uint32_t first_offset(const struct event_db *db)
{
	const struct event *event = event_db_at(db, 0);
	uint32_t end = 0;

	for (uint32_t i = 0; i < event->nr_common; i++)
		end = MAX(end, event->fields[i].offset + event->fields[i].size);
	return (end + 7) & ~7u;
}

static void print_field(const struct synth_field *field, uint32_t offset, struct out *out)
{
	const char *array = field->is_dynamic ? NULL : strchr(field->type, '[');
	int len = array ? (int)(array - field->type) : (int)strlen(field->type);

	out_printf(out, "\tfield:%.*s %s%s;\toffset:%u;\tsize:%u;\tsigned:%d;\n", len, field->type,
		   field->name, array ? array : "", offset, field->size, field->is_signed);
}

static void print_fmt(const struct hist_synthetic *synthetic, struct out *out)
{
	out_lit(out, "\nprint fmt: \"");
	for (uint32_t i = 0; i < synthetic->nr_fields; i++)
		out_printf(out, "%s%s=%s", i ? ", " : "", synthetic->fields[i].name,
			   type_format(&synthetic->fields[i]));
	out_char(out, '"');
	for (uint32_t i = 0; i < synthetic->nr_fields; i++) {
		const struct synth_field *field = &synthetic->fields[i];

		if (field->is_string && field->is_dynamic)
			out_printf(out, ", __get_str(%s)", field->name);
		else if (field->is_stack)
			out_printf(out, ", __get_stacktrace(%s)", field->name);
		else
			out_printf(out, ", REC->%s", field->name);
	}
	out_char(out, '\n');
}

static void choose_id(struct hist_set *set)
{
	if (set->next_id)
		return;
	for (size_t i = 0; i < event_db_count(set->db); i++)
		set->next_id = MAX(set->next_id, event_db_at(set->db, i)->id);
}

/* The format file, read back as any other. */
static int make_event(struct hist_set *set, struct hist_synthetic *synthetic, struct err *err)
{
	struct event_db_options options = {
		.big_endian = event_db_big_endian(set->db),
		.long_size = event_db_long_size(set->db),
	};
	_cleanup_out_ struct out out = {0};
	const char *common;
	size_t common_len;
	uint32_t offset;
	int r;

	common = common_fields(set->db, &common_len);
	choose_id(set);
	if (!common || set->next_id == UINT16_MAX)
		return err_set(err, -ENOSPC, "no event to take the common fields from");
	offset = first_offset(set->db);
	out_printf(&out, "name: %s\nID: %u\nformat:\n", synthetic->name, ++set->next_id);
	out_mem(&out, common, common_len);
	out_char(&out, '\n');
	for (uint32_t i = 0; i < synthetic->nr_fields; i++) {
		const struct synth_field *field = &synthetic->fields[i];

		synthetic->offsets[i] = offset;
		print_field(field, offset, &out);
		offset += field->is_string && !field->is_dynamic ? HIST_STRING_BYTES : 8;
	}
	synthetic->size = offset;
	print_fmt(synthetic, &out);
	r = event_db_new(&synthetic->db, &options);
	if (r >= 0)
		r = event_db_add_format(synthetic->db, "synthetic", out_cstr(&out), out.len, err);
	if (r >= 0)
		r = event_db_seal(synthetic->db);
	if (r >= 0)
		synthetic->event = event_db_at(synthetic->db, 0);
	return r;
}

static int parse_definition(struct hist_set *set, struct hist_synthetic *synthetic, char *name,
			    char *fields)
{
	char *part;
	int r = 0;

	if (!is_good_name(name))
		return refuse(set, "Illegal name", name, -EINVAL);
	if (hist_find_synthetic(set, name))
		return refuse(set, "Event already exists", name, -EEXIST);
	synthetic->name = arena_strdup(&synthetic->arena, name);
	if (!synthetic->name)
		return -ENOMEM;
	while (r >= 0 && (part = strsep(&fields, ";")))
		r = parse_fields(set, synthetic, part);
	if (r >= 0 && !synthetic->nr_fields)
		return refuse(set, "Command must be of the form: <name> field[;field] ...", NULL,
			      -EINVAL);
	return r;
}

static int add_synthetic(struct hist_set *set, const char *text, struct err *err)
{
	struct hist_synthetic *synthetic = mem_zalloc(sizeof(*synthetic));
	_cleanup_free_ char *name = NULL, *fields = NULL;
	size_t name_len = strcspn(text, " \t");
	int r = -ENOMEM;

	name = mem_strndup(text, name_len);
	fields = mem_strdup(text + name_len);
	if (synthetic && name && fields)
		r = parse_definition(set, synthetic, name, fields);
	if (r >= 0)
		r = array_reserve(&set->synthetics, &set->cap_synthetics, set->nr_synthetics + 1,
				  sizeof(*set->synthetics));
	if (r >= 0)
		r = make_event(set, synthetic, err);
	if (r < 0) {
		if (synthetic)
			free_synthetic(synthetic);
		return r;
	}
	set->synthetics[set->nr_synthetics++] = synthetic;
	return 0;
}

static int remove_synthetic(struct hist_set *set, const char *name)
{
	struct hist_synthetic *synthetic = hist_find_synthetic(set, name);
	size_t nr = 0;

	if (!synthetic)
		return -ENOENT;
	if (synthetic->refs || hist_first(set, synthetic->event))
		return -EBUSY;
	for (size_t i = 0; i < set->nr_synthetics; i++)
		if (set->synthetics[i] != synthetic)
			set->synthetics[nr++] = set->synthetics[i];
	set->nr_synthetics = nr;
	free_synthetic(synthetic);
	return 0;
}

/* Before the first semicolon there are at least a name and a field of two words. */
static bool has_form(const char *text)
{
	size_t len = strcspn(text, ";");
	unsigned int words = 0;

	for (size_t i = 0; i < len; i++) {
		bool blank = strchr(HIST_BLANKS, text[i]);

		words += !blank && (i == 0 || strchr(HIST_BLANKS, text[i - 1]));
	}
	return words >= 3;
}

int hist_set_synthetic(struct hist_set *set, const char *text, struct err *err)
{
	int r;

	text += strspn(text, HIST_BLANKS);
	if (!*text)
		return 0;
	r = hist_begin_text(set, "", text, "synthetic_events");
	if (r < 0)
		return err_set(err, r, "out of memory");
	if (*text == '!') {
		_cleanup_free_ char *name = mem_strndup(text + 1, strcspn(text + 1, " \t;"));

		r = name ? remove_synthetic(set, name) : -ENOMEM;
	} else if (strlen(text) >= HIST_TRIGGER_BYTES) {
		r = -EINVAL;
	} else if (!has_form(text)) {
		r = refuse(set, "Command must be of the form: <name> field[;field] ...", NULL,
			   -EINVAL);
	} else {
		r = add_synthetic(set, text, err);
	}
	return r < 0 ? hist_report_error(set, r, text, err) : 0;
}

int hist_check_param(const struct hist_synthetic *synthetic, const struct hist_node *node,
		     uint32_t position)
{
	const struct synth_field *field;

	if (position >= synthetic->nr_fields)
		return -EINVAL;
	field = &synthetic->fields[position];
	if (strstr(node->type, "char[") && field->is_string && field->is_dynamic)
		return 0;
	if (!(node->flags & NODE_STACK) == field->is_stack)
		return -EINVAL;
	if (field->is_stack || strcmp(field->type, node->type) == 0)
		return 0;
	if (field->size != node->size || (!field->is_string && field->is_signed != node->is_signed))
		return -EINVAL;
	return 0;
}

size_t hist_set_nr_synthetic(const struct hist_set *set)
{
	return set->nr_synthetics;
}

const struct event *hist_set_synthetic_at(const struct hist_set *set, size_t index)
{
	return set->synthetics[index]->event;
}

/* A record that is being made. */
struct maker {
	uint8_t *bytes;
	uint32_t len, size;
	bool big_endian;
};

static void put_number(struct maker *maker, uint32_t at, uint64_t value, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++) {
		uint32_t shift = 8 * (maker->big_endian ? size - 1 - i : i);

		maker->bytes[at + i] = (uint8_t)(value >> shift);
	}
}

/* A part without a fixed length goes to the end; its place and length to `at`. */
static void put_dynamic(struct maker *maker, uint32_t at, const void *data, size_t len)
{
	if (len > maker->size - maker->len)
		len = 0;
	put_number(maker, at, maker->len | (uint64_t)len << 16, 4);
	memcpy(maker->bytes + maker->len, data, len);
	maker->len += (uint32_t)len;
}

/* Values of strings and stacks are where they lie: 256 bytes, ended by a NUL or a length first. */
static void put_field(struct maker *maker, const struct synth_field *field, uint32_t at,
		      uint64_t value)
{
	const char *text = (const char *)(uintptr_t)value;

	if (field->is_string && field->is_dynamic) {
		put_dynamic(maker, at, text, strnlen(text, HIST_STRING_BYTES - 1) + 1);
	} else if (field->is_string) {
		memcpy(maker->bytes + at, text, strnlen(text, HIST_STRING_BYTES - 1));
	} else if (field->is_stack) {
		uint64_t nr;

		memcpy(&nr, text, sizeof(nr));
		put_dynamic(maker, at, text, MIN((nr + 1) * 8, (uint64_t)MAX_STACK_BYTES));
	} else {
		put_number(maker, at, value, field->size);
	}
}

static void put_common(struct maker *maker, const struct hist_set *set,
		       const struct hist_record *cause, const struct event *event)
{
	const struct event_common *common = event_db_common(set->db);
	uint32_t len = MIN(first_offset(set->db), cause->len);

	memcpy(maker->bytes, cause->data, len);
	put_number(maker, common->type_offset, event->id, common->type_size);
}

int hist_fire(struct hist_set *set, const struct hist_synthetic *synthetic,
	      const struct hist_record *cause, const uint64_t *values, const uint32_t *refs)
{
	struct maker maker = {
		.big_endian = event_db_big_endian(set->db),
		.len = synthetic->size,
		.size = synthetic->size + synthetic->nr_fields * HIST_STRING_BYTES,
	};
	struct hist_record record = *cause;
	int r = 0;

	if (set->depth >= MAX_DEPTH)
		return 0;
	maker.bytes = mem_zalloc(maker.size);
	if (!maker.bytes)
		return -ENOMEM;
	put_common(&maker, set, cause, synthetic->event);
	for (uint32_t i = 0; i < synthetic->nr_fields; i++)
		put_field(&maker, &synthetic->fields[i], synthetic->offsets[i], values[refs[i]]);
	record.event = synthetic->event;
	record.data = maker.bytes;
	record.len = maker.len;
	set->depth++;
	if (set->emit)
		r = set->emit(set->emit_arg, &record);
	if (r >= 0)
		r = hist_set_record(set, &record);
	set->depth--;
	mem_free(maker.bytes);
	return r;
}

int hist_set_fire(struct hist_set *set, const struct event *synthetic,
		  const struct hist_record *cause, const uint64_t *values)
{
	uint32_t refs[HIST_PARAMS];

	for (uint32_t i = 0; i < HIST_PARAMS; i++)
		refs[i] = i;
	return hist_fire(set, hist_find_synthetic(set, synthetic->name), cause, values, refs);
}
