/* SPDX-License-Identifier: MIT */
/* Formats, fields, names and numbers of an event_db; bprint; what happens without memory. */
#include "event/event.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/test.h"

#define COMMON                                                                                     \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"             \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"

static const char types[] =
	"name: types\nID: 42\nformat:\n" COMMON
	"\tfield:int common_lock_depth;\toffset:8;\tsize:4;\tsigned:1;\n"
	"\n"
	"\tfield:char comm[16];\toffset:12;\tsize:16;\tsigned:0;\n"
	"\tfield:unsigned long ip;\toffset:32;\tsize:8;\tsigned:0;\n"
	"\tfield:const char * ptr;\toffset:40;\tsize:8;\tsigned:0;\n"
	"\tfield:const char __attribute__((btf_type_tag(\"user\"))) * "
	"user;\toffset:48;\tsize:8;\tsigned:0;\n"
	"\tfield:__data_loc char[] name;\toffset:56;\tsize:4;\tsigned:0;\n"
	"\tfield:__rel_loc u32[] list;\toffset:60;\tsize:4;\tsigned:0;\n"
	"\tfield:struct foo bar;\toffset:64;\tsize:12;\tsigned:0;\n"
	"\tfield:s16 small;\toffset:76;\tsize:2;\tsigned:1;\n"
	"\tfield:u64 args[6];\toffset:80;\tsize:48;\tsigned:0;\n"
	"\tfield:unsigned long long wide;\toffset:128;\tsize:8;\tsigned:0;\n"
	"\tfield:cpumask_t * mask;\toffset:136;\tsize:8;\tsigned:0;\n"
	"\tfield:__data_loc cpumask_t[] cpus;\toffset:144;\tsize:4;\tsigned:0;\n"
	"\n"
	"print fmt: \"%s\", REC->comm\n";

static struct event_db *new_db(bool big_endian, uint8_t long_size)
{
	struct event_db_options options = {.big_endian = big_endian, .long_size = long_size};
	struct event_db *db = NULL;

	if (event_db_new(&db, &options))
		exit(1);
	return db;
}

static int add(struct event_db *db, const char *system, const char *text, struct err *err)
{
	return event_db_add_format(db, system, text, strlen(text), err);
}

static void check_field(const struct event *event, const char *name, uint32_t offset, uint32_t size,
			uint32_t elem_size, uint32_t array_len, uint32_t flags)
{
	const struct event_field *field = event_field_find(event, name);

	CHECK(field);
	CHECK_EQ(field->offset, offset);
	CHECK_EQ(field->size, size);
	CHECK_EQ(field->elem_size, elem_size);
	CHECK_EQ(field->array_len, array_len);
	CHECK_EQ(field->flags, flags);
}

TEST(fields)
{
	struct event_db *db = new_db(false, 8);
	const struct event *event;
	struct err err = {0};

	CHECK_EQ(add(db, "test", types, &err), 0);
	CHECK_EQ(event_db_seal(db), 0);
	event = event_db_by_id(db, 42);
	CHECK(event && event == event_db_by_name(db, "test", "types"));
	CHECK(event == event_db_by_name(db, NULL, "types"));
	CHECK(!event_db_by_name(db, "other", "types"));
	CHECK(!event_db_by_id(db, 43));
	CHECK_EQ(event->nr_common, 5);
	CHECK_EQ(event->nr_fields, 17);
	CHECK(event->program && !event->parse_error);
	CHECK_STR(event->print_fmt, "\"%s\", REC->comm\n");
	CHECK_EQ(event_db_common(db)->lock_depth_offset, 8);
	CHECK_EQ(event_db_common(db)->migrate_disable_offset, -1);
	CHECK_EQ(event_db_common(db)->pid_offset, 4);
	check_field(event, "common_pid", 4, 4, 4, 0, EVENT_FIELD_COMMON | EVENT_FIELD_SIGNED);
	check_field(event, "comm", 12, 16, 1, 16, EVENT_FIELD_ARRAY | EVENT_FIELD_STRING);
	check_field(event, "ip", 32, 8, 8, 0, EVENT_FIELD_LONG);
	check_field(event, "ptr", 40, 8, 8, 0, EVENT_FIELD_POINTER);
	check_field(event, "user", 48, 8, 8, 0, EVENT_FIELD_POINTER);
	check_field(event, "name", 56, 4, 1, 0,
		    EVENT_FIELD_ARRAY | EVENT_FIELD_STRING | EVENT_FIELD_DYNAMIC);
	check_field(event, "list", 60, 4, 4, 0,
		    EVENT_FIELD_ARRAY | EVENT_FIELD_DYNAMIC | EVENT_FIELD_RELATIVE);
	check_field(event, "bar", 64, 12, 12, 0, 0);
	check_field(event, "small", 76, 2, 2, 0, EVENT_FIELD_SIGNED);
	check_field(event, "args", 80, 48, 8, 6, EVENT_FIELD_ARRAY);
	check_field(event, "wide", 128, 8, 8, 0, 0);
	check_field(event, "cpus", 144, 4, 0, 0, EVENT_FIELD_ARRAY | EVENT_FIELD_DYNAMIC);
	CHECK_STR(event_field_find(event, "ip")->type, "unsigned long");
	CHECK_STR(event_field_find(event, "comm")->type, "char[16]");
	CHECK_STR(event_field_find(event, "name")->type, "__data_loc char[]");
	event_db_free(db);
}

TEST(values)
{
	struct event_db *db = new_db(true, 8);
	uint8_t record[172] = {0, 42};
	const struct event *event;
	struct err err = {0};
	uint32_t len;

	CHECK_EQ(add(db, "test", types, &err), 0);
	CHECK_EQ(event_db_seal(db), 0);
	event = event_db_by_id(db, 42);
	store_u16(record + 76, 0xfffe, true);
	store_u64(record + 32, 0x1122334455667788, true);
	store_u32(record + 56, 4 << 16 | 148, true);
	memcpy(record + 148, "abc", 4);
	store_u32(record + 60, 8 << 16 | (152 - 64), true);
	store_u32(record + 152, 7, true);
#define FIELD(name) event_field_find(event, name)
	CHECK_EQ(event_field_u64(event, FIELD("small"), record, sizeof(record)), -2);
	CHECK_EQ(event_field_u64(event, FIELD("ip"), record, sizeof(record)), 0x1122334455667788);
	CHECK_EQ(event_field_u64(event, FIELD("ip"), record, 39), 0);
	CHECK_STR(event_field_bytes(event, FIELD("name"), record, sizeof(record), &len), "abc");
	CHECK_EQ(len, 4);
	CHECK(event_field_bytes(event, FIELD("name"), record, 150, &len) == record + 148);
	CHECK_EQ(len, 2);
	CHECK(!event_field_bytes(event, FIELD("name"), record, 147, &len));
	CHECK_EQ(len, 0);
	CHECK(event_field_bytes(event, FIELD("list"), record, sizeof(record), &len) ==
	      record + 152);
	CHECK_EQ(len, 8);
	CHECK(event_field_bytes(event, FIELD("comm"), record, sizeof(record), &len) == record + 12);
	CHECK_EQ(len, 16);
	CHECK_EQ(event_field_u64(event, FIELD("name"), record, sizeof(record)), 4 << 16 | 148);
	event_db_free(db);
}

TEST(bad_formats)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "expected name"},
		{"name sched\n", "expected :"},
		{"name: x\nformat:\n", "expected ID"},
		{"name: x\nID: 70000\nformat:\n\n\n", "below 65536"},
		{"name: x\nID: 5\nformat:\n\tfield:int a;\toffset:x;\tsize:4;\n\n\n", "a number"},
		{"name: x\nID: 5\nformat:\n\tfield:int;\toffset:0;\tsize:4;\n\n\n",
		 "a type and a name"},
		{"name: x\nID: 5\nformat:\n\tfield:int a[3;\toffset:0;\tsize:4;\n\n\n", "]"},
		{"name: x\nID: 5\nformat:\n\tfield:int a;\toffset:0;\tsize:4", "expected ;"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct event_db *db = new_db(false, 8);
		struct err err = {0};

		CHECK_EQ(add(db, "test", cases[i].text, &err), -EBADMSG);
		if (!strstr(err.text, cases[i].says))
			CHECK_STR(err.text, cases[i].says);
		CHECK_EQ(event_db_count(db), 0);
		event_db_free(db);
	}
}

TEST(caret)
{
	struct event_db *db = new_db(false, 8);
	struct err err = {0};

	CHECK_EQ(add(db, "test", "name: x\nID: 5\nformat:\n\tfield:int a;\toffset:x;\n", &err),
		 -EBADMSG);
	CHECK_STR(err.text, "line 4 of the format: expected a number\n"
			    "  \tfield:int a;\toffset:x;\n"
			    "                       ^");
	event_db_free(db);
}

TEST(same_id)
{
	struct event_db *db = new_db(false, 8);

	CHECK_EQ(add(db, "a", "name: one\nID: 5\nformat:\n" COMMON "\n\nprint fmt: \"1\"\n", NULL),
		 0);
	CHECK_EQ(add(db, "a", "name: two\nID: 5\nformat:\n" COMMON "\n\nprint fmt: \"2\"\n", NULL),
		 0);
	CHECK_EQ(event_db_count(db), 1);
	CHECK_STR(event_db_at(db, 0)->name, "one");
	event_db_free(db);
}

TEST(no_print_fmt)
{
	struct event_db *db = new_db(false, 8);
	_cleanup_out_ struct out out = {0};
	const uint8_t record[12] = {5, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
	const struct event *event;

	CHECK_EQ(add(db, "a",
		     "name: one\nID: 5\nformat:\n" COMMON
		     "\n\tfield:int a;\toffset:8;\tsize:4;\tsigned:1;\n\n",
		     NULL),
		 0);
	CHECK_EQ(event_db_seal(db), 0);
	event = event_db_by_id(db, 5);
	CHECK(!event->program && event->parse_error);
	event_print(event, record, sizeof(record), 0, NULL, &out);
	CHECK_STR(out_cstr(&out), "[FAILED TO PARSE] a=-1");
	event_db_free(db);
}

TEST(names)
{
	struct event_db *db = new_db(false, 8);
	static const char cmdlines[] = "1 systemd\n77 with blanks in it\n  99 x\nbroken\n";

	CHECK_EQ(event_db_add_cmdlines(db, cmdlines, strlen(cmdlines)), 0);
	CHECK_EQ(event_db_add_cmdline(db, 5, "five"), 0);
	CHECK_EQ(event_db_seal(db), 0);
	CHECK_STR(event_db_comm(db, 0), "<idle>");
	CHECK_STR(event_db_comm(db, 1), "systemd");
	CHECK_STR(event_db_comm(db, 5), "five");
	CHECK_STR(event_db_comm(db, 77), "with blanks in it");
	CHECK_STR(event_db_comm(db, 99), "x");
	CHECK(!event_db_comm(db, 2));
	CHECK(event_db_symbols(db));
	event_db_free(db);
}

TEST(printk)
{
	struct event_db *db = new_db(false, 8);
	static const char text[] = "0xffffffff82000000 : \"hello %d\\n\"\n"
				   "0xffffffff82000010 : \"no end\"\n"
				   "nonsense\n"
				   "0x20 : plain\n";

	CHECK_EQ(event_db_add_printk(db, text, strlen(text)), 0);
	CHECK_EQ(event_db_seal(db), 0);
	CHECK_STR(event_db_printk(db, 0xffffffff82000000), "hello %d");
	CHECK_STR(event_db_printk(db, 0xffffffff82000010), "no end");
	CHECK_STR(event_db_printk(db, 0x20), "plain");
	CHECK(!event_db_printk(db, 0x21));
	event_db_free(db);
}

static const char bprint[] = "name: bprint\nID: 6\nformat:\n" COMMON "\n"
			     "\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n"
			     "\tfield:const char * fmt;\toffset:16;\tsize:8;\tsigned:0;\n"
			     "\tfield:u32 buf[];\toffset:24;\tsize:0;\tsigned:0;\n"
			     "\nprint fmt: \"%ps: %s\", (void *)REC->ip, REC->fmt\n";

TEST(bprint)
{
	static const char printks[] = "0x1000 : \"%d %s %llx %5d|%-5d|%c %pI4\\n\"\n";
	struct event_db *db = new_db(false, 8);
	_cleanup_out_ struct out out = {0};
	uint8_t record[80] = {6};
	const struct event *event;

	CHECK_EQ(add(db, "ftrace", bprint, NULL), 0);
	CHECK_EQ(event_db_add_printk(db, printks, strlen(printks)), 0);
	CHECK_EQ(event_db_seal(db), 0);
	event = event_db_by_id(db, 6);
	store_u64(record + 8, 0x1234, false);
	store_u64(record + 16, 0x1000, false);
	store_u32(record + 24, (uint32_t)-1, false);
	memcpy(record + 28, "text", 5); /* then to the next multiple of 4 */
	store_u64(record + 36, 0xabcdef0123, false);
	store_u32(record + 44, 42, false);
	store_u32(record + 48, 43, false);
	store_u32(record + 52, 'c', false);
	memcpy(record + 56, "10.0.0.1", 9);
	event_print(event, record, sizeof(record), 0, NULL, &out);
	CHECK_STR(out_cstr(&out), "0x1234: -1 text abcdef0123    42|43   |c 10.0.0.1");
	out_clear(&out);
	store_u64(record + 16, 0x2000, false);
	event_print(event, record, sizeof(record), 0, NULL, &out);
	CHECK_STR(out_cstr(&out), "0x1234: (NO FORMAT FOUND at 2000)\n");
	event_db_free(db);
}

/* Names that are no numbers: symbols by their name, else 0. */
TEST(constants)
{
	struct event_db *db = new_db(false, 8);
	_cleanup_out_ struct out out = {0};
	struct symbols *symbols = NULL;
	const uint8_t record[8] = {5};

	CHECK_EQ(symbols_new(&symbols), 0);
	CHECK_EQ(symbols_add(symbols, 0x1000, "one", NULL), 0);
	CHECK_EQ(symbols_add(symbols, 0x2000, "two", NULL), 0);
	CHECK_EQ(symbols_seal(symbols), 0);
	CHECK_EQ(add(db, "a",
		     "name: one\nID: 5\nformat:\n" COMMON
		     "\n\nprint fmt: \"%x %x %pS\", two, three, two\n",
		     NULL),
		 0);
	event_db_set_symbols(db, symbols);
	CHECK_EQ(event_db_seal(db), 0);
	event_print(event_db_by_id(db, 5), record, sizeof(record), 0, NULL, &out);
	CHECK_STR(out_cstr(&out), "2000 0 two+0x0");
	event_db_free(db);
}

/* -R of 3.1 remembers that a char array once held no text; newer text does not. */
TEST(raw_arrays)
{
	struct event_db *db = new_db(false, 8);
	struct event_context context = {.compat = 34};
	_cleanup_out_ struct out out = {0};
	uint8_t text[12] = {5, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 0, 0};
	uint8_t binary[12] = {5, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4};
	const struct event *event;

	CHECK_EQ(add(db, "a",
		     "name: one\nID: 5\nformat:\n" COMMON
		     "\n\tfield:u8 a[4];\toffset:8;\tsize:4;\tsigned:0;\n\nprint fmt: \"\"\n",
		     NULL),
		 0);
	CHECK_EQ(event_db_seal(db), 0);
	event = event_db_by_id(db, 5);
	event_print(event, binary, sizeof(binary), EVENT_PRINT_RAW, &context, &out);
	event_print(event, text, sizeof(text), EVENT_PRINT_RAW, &context, &out);
	context.compat = 31;
	event_print(event, text, sizeof(text), EVENT_PRINT_RAW, &context, &out);
	CHECK_STR(out_cstr(&out), " a=ARRAY[01, 02, 03, 04] a=ab a=ARRAY[61, 62, 00, 00]");
	event_db_free(db);
}

static int allocations_left;

static bool fail_after(size_t size)
{
	(void)size;
	return allocations_left-- <= 0;
}

static int build(struct event_db *db)
{
	static const char printks[] = "0x1000 : \"%d %s\\n\"\n";
	int r = add(db, "test", types, NULL);

	if (!r)
		r = add(db, "ftrace", bprint, NULL);
	if (!r)
		r = event_db_add_printk(db, printks, strlen(printks));
	if (!r)
		r = event_db_add_cmdlines(db, "1 init\n", 7);
	return r ? r : event_db_seal(db);
}

TEST(without_memory)
{
	int r = -1;

	for (int nr = 0; r && nr < 1000; nr++) {
		struct event_db_options options = {0};
		struct event_db *db = NULL;

		allocations_left = nr;
		mem_fault_hook = fail_after;
		r = event_db_new(&db, &options);
		if (!r)
			r = build(db);
		mem_fault_hook = NULL;
		event_db_free(db);
		CHECK(!r || r == -ENOMEM);
	}
	CHECK_EQ(r, 0);
}

TEST_MAIN()
