/* SPDX-License-Identifier: MIT */
/* Events that are shown otherwise than their print fmt says. */
#include "event/event.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/test.h"

#define COMMON                                                                                     \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"             \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
#define FIELD(type, name, offset, size)                                                            \
	"\tfield:" type " " name ";\toffset:" #offset ";\tsize:" #size ";\tsigned:0;\n"
#define EVENT(name, id, fields, fmt)                                                               \
	"name: " name "\nID: " #id "\nformat:\n" COMMON fields "\nprint fmt: " fmt "\n"

enum {
	FUNCTION = 1,
	ENTRY,
	EXIT,
	STACK,
	REPEATS,
	RAW_DATA,
	SWITCH,
	WAKEUP,
	KFREE,
	TIMER,
	FUTEX,
	TLB
};

static const struct {
	const char *system, *text;
} formats[] = {
	{"ftrace",
	 EVENT("function", 1,
	       FIELD("unsigned long", "ip", 8, 8) FIELD("unsigned long", "parent_ip", 16, 8),
	       "\" %ps <-- %ps\", (void *)REC->ip, (void *)REC->parent_ip")},
	{"ftrace", EVENT("funcgraph_entry", 2,
			 FIELD("unsigned long", "func", 8, 8) FIELD("int", "depth", 16, 4),
			 "\"--> %ps (%d)\", (void *)REC->func, REC->depth")},
	{"ftrace", EVENT("funcgraph_exit", 3,
			 FIELD("unsigned long", "func", 8, 8) FIELD("int", "depth", 16, 4)
				 FIELD("unsigned int", "overrun", 20, 4)
					 FIELD("unsigned long long", "calltime", 24, 8)
						 FIELD("unsigned long long", "rettime", 32, 8)
							 FIELD("unsigned long", "retval", 40, 8),
			 "\"<-- %ps (%d)\", (void *)REC->func, REC->depth")},
	{"ftrace", EVENT("kernel_stack", 4,
			 FIELD("int", "size", 8, 4) FIELD("unsigned long", "caller[8]", 16, 64),
			 "\"\\t=> %ps\\n\", (void *)REC->caller[0]")},
	{"ftrace",
	 EVENT("func_repeats", 5,
	       FIELD("unsigned long", "ip", 8, 8) FIELD("unsigned long", "parent_ip", 16, 8)
		       FIELD("u16", "count", 24, 2) FIELD("u16", "top_delta_ts", 26, 2)
			       FIELD("u32", "bottom_delta_ts", 28, 4),
	       "\"%ps\", (void *)REC->ip")},
	{"ftrace",
	 EVENT("raw_data", 6, FIELD("unsigned int", "id", 8, 4) FIELD("char", "buf[]", 12, 0),
	       "\"id:%04x %08x\", REC->id, (int)REC->buf[0]")},
	{"sched",
	 EVENT("sched_switch", 7,
	       FIELD("char", "prev_comm[16]", 8, 16) FIELD("pid_t", "prev_pid", 24,
							   4) FIELD("int", "prev_prio", 28, 4)
		       FIELD("long", "prev_state", 32, 8) FIELD("char", "next_comm[16]", 40, 16)
			       FIELD("pid_t", "next_pid", 56, 4) FIELD("int", "next_prio", 60, 4),
	       "\"state=%s\", REC->prev_state & 255 ? __print_flags(REC->prev_state & 255, \"|\", "
	       "{ 0x01, \"S\" }, { 0x02, \"D\" }, { 0x04, \"T\" }, { 0x08, \"t\" }, { 0x10, \"X\" "
	       "}, "
	       "{ 0x20, \"Z\" }, { 0x40, \"P\" }, { 0x80, \"I\" }) : \"R\"")},
	{"sched", EVENT("sched_wakeup", 8,
			FIELD("char", "comm[16]", 8, 16) FIELD("pid_t", "pid", 24, 4)
				FIELD("int", "prio", 28, 4) FIELD("int", "target_cpu", 32, 4),
			"\"comm=%s\", REC->comm")},
	{"kmem",
	 EVENT("kfree", 9,
	       FIELD("unsigned long", "call_site", 8, 8) FIELD("const void *", "ptr", 16, 8),
	       "\"call_site=%pS ptr=%p\", (void *)REC->call_site, REC->ptr")},
	{"timer", EVENT("hrtimer_expire_entry", 10,
			FIELD("void *", "hrtimer", 8, 8) FIELD("s64", "now", 16, 8)
				FIELD("void *", "function", 24, 8),
			"\"hrtimer=%p\", REC->hrtimer")},
	{"syscalls", EVENT("sys_enter_futex", 11,
			   FIELD("u32 *", "uaddr", 8, 8) FIELD("int", "op", 16, 8)
				   FIELD("u32", "val", 24, 8) FIELD("void *", "utime", 32, 8) FIELD(
					   "u32 *", "uaddr2", 40, 8) FIELD("u32", "val3", 48, 8),
			   "\"uaddr: 0x%08lx\", REC->uaddr")},
	{"tlb",
	 EVENT("tlb_flush", 12, FIELD("int", "reason", 8, 4) FIELD("unsigned long", "pages", 16, 8),
	       "\"pages:%ld\", REC->pages")},
};

static const char kallsyms[] = "1000 T one\n2000 T two\n3000 T three\n4000 T end\n";

static struct event_db *db;
static struct event_options options;
static struct event_context context;
static uint8_t record[128];
static struct out out;

static void begin(bool no_handlers)
{
	struct event_db_options db_options = {.long_size = 8, .no_handlers = no_handlers};
	struct symbols *symbols = NULL;

	if (event_db_new(&db, &db_options) || symbols_new(&symbols) ||
	    symbols_add_kallsyms(symbols, kallsyms, strlen(kallsyms)) || symbols_seal(symbols))
		exit(1);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (event_db_add_format(db, formats[i].system, formats[i].text,
					strlen(formats[i].text), NULL))
			exit(1);
	event_db_set_symbols(db, symbols);
	if (event_db_seal(db))
		exit(1);
	options = (struct event_options){.function_indent = true};
	context = (struct event_context){.options = &options, .compat = 31};
	memset(record, 0, sizeof(record));
}

static void end(void)
{
	event_db_free(db);
	out_done(&out);
}

static void set(uint32_t offset, uint32_t size, uint64_t value)
{
	if (size == 8)
		store_u64(record + offset, value, false);
	else if (size == 4)
		store_u32(record + offset, (uint32_t)value, false);
	else
		store_u16(record + offset, (uint16_t)value, false);
}

static const char *print(uint16_t id, uint32_t len)
{
	store_u16(record, id, false);
	out_clear(&out);
	event_print(event_db_by_id(db, id), record, len, 0, &context, &out);
	return out_cstr(&out);
}

TEST(function)
{
	begin(false);
	CHECK_EQ(event_db_by_id(db, FUNCTION)->kind, EVENT_FUNCTION);
	set(8, 8, 0x1004);
	set(16, 8, 0x2010);
	CHECK_STR(print(FUNCTION, 24), "one");
	context.indent = 2;
	CHECK_STR(print(FUNCTION, 24), "      one");
	options.function_parent = options.function_offset = true;
	CHECK_STR(print(FUNCTION, 24), "      one+0x4  <-- two+0x10 ");
	options.function_indent = false;
	set(8, 8, 0x5000);
	CHECK_STR(print(FUNCTION, 24), "0x5000 <-- two+0x10 ");
	end();
	begin(true);
	set(8, 8, 0x1004);
	set(16, 8, 0x2010);
	CHECK_STR(print(FUNCTION, 24), " one <-- two");
	end();
}

TEST(graph)
{
	uint8_t leaf[48] = {EXIT};

	begin(false);
	set(8, 8, 0x1000);
	set(16, 4, 2);
	CHECK_STR(print(ENTRY, 20), "             |      one() {");
	context.leaf_exit = event_db_by_id(db, EXIT);
	context.leaf_data = leaf;
	context.leaf_len = sizeof(leaf);
	store_u64(leaf + 24, 1000, false);
	store_u64(leaf + 32, 1000 + 1234, false);
	CHECK_STR(print(ENTRY, 20), "  1.234 us   |      one();");
	store_u64(leaf + 32, 1000 + 123456789, false);
	CHECK_STR(print(ENTRY, 20), "# 123456.789 us |      one();");
	store_u64(leaf + 32, 1000 + 12345678901, false);
	CHECK_STR(print(ENTRY, 20), "$ 12345678 us |      one();");
	options.graph_depth = true;
	store_u64(leaf + 40, (uint64_t)-22, false);
	CHECK_STR(print(ENTRY, 20), "$ 12345678 us |      one(); (2)");
	context.compat = 34;
	CHECK_STR(print(ENTRY, 20), "$ 12345678 us |      one(); (2) (ret=-22)");
	context.compat = 31;
	context.leaf_exit = NULL;
	options.graph_tailprint = true;
	set(24, 8, 100);
	set(32, 8, 100 + 10001);
	CHECK_STR(print(EXIT, 48), "+ 10.001 us  |      } /* one */ (2)");
	end();
	begin(true);
	set(8, 8, 0x1000);
	set(16, 4, 2);
	CHECK_STR(print(ENTRY, 20), "--> one (2)");
	end();
}

TEST(stack)
{
	begin(false);
	set(8, 4, 3);
	set(16, 8, 0x1001);
	set(24, 8, 0x9000);
	set(32, 8, UINT64_MAX);
	CHECK_STR(print(STACK, 80), "<stack trace >\n=> one (1001)\n=> 9000\n");
	CHECK_STR(print(STACK, 24), "<stack trace >\n=> one (1001)\n");
	end();
}

TEST(repeats)
{
	begin(false);
	context.ts = 5000001500;
	set(8, 8, 0x1000);
	set(16, 8, 0x2000);
	set(24, 2, 7);
	set(28, 4, 1000000);
	CHECK_STR(print(REPEATS, 32), "one (count: 7  last_ts:     4.999002)");
	context.time = EVENT_TIME_NS;
	CHECK_STR(print(REPEATS, 32), "one (count: 7  last_ts:     4.999001500)");
	context.time = EVENT_TIME_RAW;
	CHECK_STR(print(REPEATS, 32), "one (count: 7  last_ts:   4999001500)");
	end();
}

TEST(raw_data)
{
	begin(false);
	set(8, 4, 0x2a);
	memcpy(record + 12, "abcdefghij", 10);
	CHECK_STR(print(RAW_DATA, 24), "# 2a 61 62 63 64 65 66 67 68 69 6a 00 00");
	end();
}

TEST(sched)
{
	begin(false);
	memcpy(record + 8, "before", 7);
	memcpy(record + 40, "exactly sixteen!", 16);
	set(24, 4, 100);
	set(28, 4, 120);
	set(56, 4, 200);
	set(60, 4, (uint32_t)-1);
	CHECK_STR(print(SWITCH, 64), "before:100 [120] R ==> exactly sixteen!:200 [-1]");
	set(32, 8, 0x41);
	CHECK_STR(print(SWITCH, 64), "before:100 [120] S|x ==> exactly sixteen!:200 [-1]");
	context.compat = 34;
	CHECK_STR(print(SWITCH, 64), "before:100 [120] S|P ==> exactly sixteen!:200 [-1]");
	memset(record, 0, sizeof(record));
	memcpy(record + 8, "woken", 6);
	set(24, 4, 100);
	set(28, 4, 120);
	set(32, 4, 3);
	CHECK_STR(print(WAKEUP, 36), "woken:100 [120] CPU:003");
	end();
}

TEST(kmem)
{
	begin(false);
	set(8, 8, 0x1010);
	CHECK_STR(print(KFREE, 24), "(one+0x10) call_site=one+0x10 ptr=(nil)");
	set(8, 8, 0x9010);
	CHECK_STR(print(KFREE, 24), "call_site=0x9010 ptr=(nil)");
	end();
}

TEST(timer)
{
	begin(false);
	set(8, 8, 0xabc);
	set(16, 8, 123);
	set(24, 8, 0x2000);
	CHECK_STR(print(TIMER, 32), "hrtimer=0xabc now=123 function=two/0x0");
	set(24, 8, 0x9000);
	CHECK_STR(print(TIMER, 32), "hrtimer=0xabc now=123 function=0x00009000");
	end();
}

TEST(futex)
{
	begin(false);
	set(8, 8, 0x7f00);
	set(16, 8, 128);
	set(24, 8, 2);
	CHECK_STR(print(FUTEX, 56), "op=FUTEX_WAIT|FUTEX_PRIVATE_FLAG uaddr=0x00007f00 "
				    "val=0x00000002 utime=0x00000000");
	set(16, 8, 256 + 12);
	CHECK_STR(print(FUTEX, 56), "op=FUTEX_CMP_REQUEUE_PI|FUTEX_CLOCK_REALTIME uaddr=0x00007f00 "
				    "val=2 val2=0 uaddr2=0x00000000 val3=0x00000000");
	set(16, 8, 99);
	CHECK_STR(print(FUTEX, 56), "uaddr: 0x00007f00");
	end();
}

TEST(tlb)
{
	begin(false);
	set(8, 4, 1);
	set(16, 8, (uint64_t)-1);
	CHECK_STR(print(TLB, 24), "pages=-1 reason=remote shootdown (1)");
	set(8, 4, 9);
	CHECK_STR(print(TLB, 24), "pages=-1 reason= (9)");
	end();
}

TEST_MAIN()
