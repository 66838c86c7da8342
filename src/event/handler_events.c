/* SPDX-License-Identifier: MIT */
/* Handlers of single events: scheduler, allocator, timers, futexes, TLB, mac80211. */
#include <string.h>

#include "base/mem.h"
#include "event/handler.h"

/* --- sched --- */

enum {
	WAKEUP_PID,
	WAKEUP_COMM,
	WAKEUP_PRIO,
	WAKEUP_SUCCESS,
	WAKEUP_CPU
};
enum {
	SWITCH_PREV_PID,
	SWITCH_PREV_COMM,
	SWITCH_PREV_PRIO,
	SWITCH_PREV_STATE,
	SWITCH_NEXT_PID,
	SWITCH_NEXT_COMM,
	SWITCH_NEXT_PRIO,
};

static void print_comm(const struct rec *rec, unsigned int i, struct out *out)
{
	const struct event_field *field = handler_field(rec, i);
	uint32_t offset, len;

	if (!field)
		return;
	offset = MIN(field->offset, rec->len);
	len = MIN(field->size, rec->len - offset);
	out_mem(out, (const char *)rec->data + offset,
		strnlen((const char *)rec->data + offset, len));
	out_char(out, ':');
}

static bool wakeup_print(const struct rec *rec, struct out *out)
{
	uint64_t value;

	if (!handler_value(rec, WAKEUP_PID, true, &value, out)) {
		out_char(out, '!');
		return true;
	}
	print_comm(rec, WAKEUP_COMM, out);
	out_i64(out, (int64_t)value);
	if (handler_value(rec, WAKEUP_PRIO, true, &value, out)) {
		out_lit(out, " [");
		out_i64(out, (int64_t)value);
		out_char(out, ']');
	}
	if (handler_value(rec, WAKEUP_SUCCESS, false, &value, out)) {
		out_lit(out, " success=");
		out_i64(out, (int64_t)value);
	}
	if (handler_value(rec, WAKEUP_CPU, true, &value, out)) {
		out_lit(out, " CPU:");
		out_u64_pad(out, value, 3, '0');
	}
	return false;
}

/* 3.1 knows the states by heart; newer versions read the letters from the print fmt. */
static void print_state(const struct rec *rec, uint64_t state, struct out *out)
{
	const char *letters = "SDTtZXxW";
	bool some = false;

	if (compat_of(rec->context) >= 34)
		letters = rec->event->state_letters[0] ? rec->event->state_letters : "SDTtXZPI";
	for (unsigned int bit = 0; letters[bit]; bit++) {
		if (!(state & 1ull << bit))
			continue;
		if (some)
			out_char(out, '|');
		out_char(out, letters[bit]);
		some = true;
	}
	if (!some)
		out_char(out, 'R');
}

static bool switch_print(const struct rec *rec, struct out *out)
{
	uint64_t value;

	if (!handler_value(rec, SWITCH_PREV_PID, true, &value, out)) {
		out_char(out, '!');
		return true;
	}
	print_comm(rec, SWITCH_PREV_COMM, out);
	out_i64(out, (int64_t)value);
	out_char(out, ' ');
	if (handler_value(rec, SWITCH_PREV_PRIO, true, &value, out)) {
		out_char(out, '[');
		out_i64(out, (int32_t)value);
		out_lit(out, "] ");
	}
	if (handler_value(rec, SWITCH_PREV_STATE, true, &value, out))
		print_state(rec, value, out);
	out_lit(out, " ==> ");
	if (!handler_value(rec, SWITCH_NEXT_PID, true, &value, out)) {
		out_char(out, '!');
		return true;
	}
	print_comm(rec, SWITCH_NEXT_COMM, out);
	out_i64(out, (int64_t)value);
	if (handler_value(rec, SWITCH_NEXT_PRIO, true, &value, out)) {
		out_lit(out, " [");
		out_i64(out, (int32_t)value);
		out_char(out, ']');
	}
	return false;
}

/* --- kmem: the caller before the print fmt's text --- */

static bool call_site_print(const struct rec *rec, struct out *out)
{
	const struct symbol *symbol;
	uint64_t addr;

	if (!handler_value(rec, 0, false, &addr, out))
		return true;
	symbol = symbols_find(rec->db->symbols, addr);
	if (!symbol)
		return true;
	out_char(out, '(');
	out_mem(out, symbol->name, symbol->name_len);
	out_lit(out, "+0x");
	out_hex(out, (uint32_t)(addr - symbol->addr));
	out_lit(out, ") ");
	return true;
}

/* --- hrtimer --- */

enum {
	TIMER_TIMER,
	TIMER_HRTIMER,
	TIMER_FUNCTION,
	TIMER_NOW,
	TIMER_EXPIRES,
	TIMER_SOFT
};

static void print_field(const struct rec *rec, unsigned int i, const char *prefix, bool hex,
			struct out *out)
{
	uint64_t value;

	if (handler_value(rec, i, false, &value, out)) {
		out_str(out, prefix);
		if (hex)
			out_hex(out, value);
		else
			out_u64(out, value);
		return;
	}
	out_lit(out, "CAN'T FIND FIELD \"");
	out_str(out, rec->event->handler->fields[i]);
	out_char(out, '"');
}

static void print_timer(const struct rec *rec, struct out *out)
{
	uint64_t value;

	out_lit(out, "hrtimer=");
	print_field(rec,
		    handler_value(rec, TIMER_TIMER, false, &value, out) ? TIMER_TIMER
									: TIMER_HRTIMER,
		    "0x", true, out);
}

static void print_timer_function(const struct rec *rec, struct out *out)
{
	const struct symbol *symbol;
	uint64_t addr;

	if (!handler_value(rec, TIMER_FUNCTION, false, &addr, out))
		return;
	out_lit(out, " function=");
	symbol = symbols_find(rec->db->symbols, addr);
	if (symbol) {
		out_mem(out, symbol->name, symbol->name_len);
		out_lit(out, "/0x");
		out_hex(out, symbol->addr - addr);
	} else {
		out_lit(out, "0x");
		out_hex_pad(out, addr, 8, '0');
	}
}

static bool timer_expire_print(const struct rec *rec, struct out *out)
{
	print_timer(rec, out);
	out_lit(out, " now=");
	print_field(rec, TIMER_NOW, "", false, out);
	print_timer_function(rec, out);
	return false;
}

static bool timer_start_print(const struct rec *rec, struct out *out)
{
	print_timer(rec, out);
	print_timer_function(rec, out);
	out_lit(out, " expires=");
	print_field(rec, TIMER_EXPIRES, "", false, out);
	out_lit(out, " softexpires=");
	print_field(rec, TIMER_SOFT, "", false, out);
	return false;
}

/* --- futex --- */

enum {
	FUTEX_UADDR,
	FUTEX_OP,
	FUTEX_VAL,
	FUTEX_UTIME,
	FUTEX_UADDR2,
	FUTEX_VAL3,
	FUTEX_NR
};
enum {
	FUTEX_PRIVATE = 128,
	FUTEX_REALTIME = 256
};

/* Which arguments an operation uses; val and val2 also how. */
enum {
	USES_VAL_HEX = 1 << 0,
	USES_VAL = 1 << 1,
	USES_UTIME = 1 << 2,
	USES_VAL2 = 1 << 3,
	USES_UADDR2 = 1 << 4,
	USES_VAL3 = 1 << 5,
};

static const struct futex_op {
	const char *name;
	uint8_t uses;
} futex_ops[] = {
	{"FUTEX_WAIT", USES_VAL_HEX | USES_UTIME},
	{"FUTEX_WAKE", USES_VAL},
	{"FUTEX_FD", USES_VAL},
	{"FUTEX_REQUEUE", USES_VAL | USES_VAL2 | USES_UADDR2},
	{"FUTEX_CMP_REQUEUE", USES_VAL | USES_VAL2 | USES_UADDR2 | USES_VAL3},
	{"FUTEX_WAKE_OP", USES_VAL | USES_VAL2 | USES_UADDR2 | USES_VAL3},
	{"FUTEX_LOCK_PI", USES_UTIME},
	{"FUTEX_UNLOCK_PI", 0},
	{"FUTEX_TRYLOCK_PI", 0},
	{"FUTEX_WAIT_BITSET", USES_VAL_HEX | USES_UTIME | USES_VAL3},
	{"FUTEX_WAKE_BITSET", USES_VAL | USES_VAL3},
	{"FUTEX_WAIT_REQUEUE_PI", USES_VAL_HEX | USES_UTIME | USES_UADDR2 | USES_VAL3},
	{"FUTEX_CMP_REQUEUE_PI", USES_VAL | USES_VAL2 | USES_UADDR2 | USES_VAL3},
};

static void print_hex8(struct out *out, const char *name, uint64_t value)
{
	out_str(out, name);
	out_hex_pad(out, value, 8, '0');
}

static void print_dec(struct out *out, const char *name, uint64_t value)
{
	out_str(out, name);
	out_u64(out, value);
}

static bool futex_print(const struct rec *rec, struct out *out)
{
	const struct futex_op *op;
	uint64_t args[FUTEX_NR], command;

	for (unsigned int i = 0; i < FUTEX_NR; i++)
		if (!handler_value(rec, i, true, &args[i], out))
			return true;
	command = args[FUTEX_OP] & ~(uint64_t)(FUTEX_PRIVATE | FUTEX_REALTIME);
	if (command >= ARRAY_SIZE(futex_ops))
		return true;
	op = &futex_ops[command];
	out_lit(out, "op=");
	out_str(out, op->name);
	if (args[FUTEX_OP] & FUTEX_PRIVATE)
		out_lit(out, "|FUTEX_PRIVATE_FLAG");
	if (args[FUTEX_OP] & FUTEX_REALTIME)
		out_lit(out, "|FUTEX_CLOCK_REALTIME");
	print_hex8(out, " uaddr=0x", args[FUTEX_UADDR]);
	if (op->uses & USES_VAL_HEX)
		print_hex8(out, " val=0x", args[FUTEX_VAL]);
	if (op->uses & USES_VAL)
		print_dec(out, " val=", args[FUTEX_VAL]);
	if (op->uses & USES_UTIME)
		print_hex8(out, " utime=0x", args[FUTEX_UTIME]);
	if (op->uses & USES_VAL2)
		print_dec(out, " val2=", args[FUTEX_UTIME]);
	if (op->uses & USES_UADDR2)
		print_hex8(out, " uaddr2=0x", args[FUTEX_UADDR2]);
	if (op->uses & USES_VAL3)
		print_hex8(out, " val3=0x", args[FUTEX_VAL3]);
	return false;
}

/* --- tlb --- */

enum {
	TLB_PAGES,
	TLB_REASON
};

static bool tlb_print(const struct rec *rec, struct out *out)
{
	static const char *const reasons[] = {"flush on task switch", "remote shootdown",
					      "local shootdown", "local mm shootdown"};
	uint64_t pages, reason;

	out_lit(out, "pages=");
	if (handler_value(rec, TLB_PAGES, false, &pages, out))
		out_i64(out, (int64_t)pages);
	else
		out_lit(out, "CAN'T FIND FIELD \"pages\"");
	if (!handler_value(rec, TLB_REASON, true, &reason, out))
		return true;
	out_lit(out, " reason=");
	if (reason < ARRAY_SIZE(reasons))
		out_str(out, reasons[reason]);
	out_lit(out, " (");
	out_i64(out, (int64_t)reason);
	out_char(out, ')');
	return false;
}

/* --- mac80211 --- */

enum {
	BSS_INDENT = 65
};
enum {
	BSS_WIPHY,
	BSS_VIF,
	BSS_TYPE
};

static void print_string(const struct rec *rec, unsigned int i, struct out *out)
{
	const struct event_field *field = handler_field(rec, i);
	uint32_t offset, len;

	if (!field) {
		out_lit(out, "NOTFOUND:");
		out_str(out, rec->event->handler->fields[i]);
		return;
	}
	offset = field->offset;
	len = field->size;
	if (field->flags & (EVENT_FIELD_DYNAMIC | EVENT_FIELD_RELATIVE)) {
		uint64_t where = rec_uint(rec, field->offset, field->size);

		offset = where & 0xffff;
		len = (uint32_t)(where >> 16) & 0xffff;
	}
	offset = MIN(offset, rec->len);
	len = MIN(len, rec->len - offset);
	out_mem(out, (const char *)rec->data + offset,
		strnlen((const char *)rec->data + offset, len));
}

static void print_named(const struct rec *rec, const char *name, bool hex, struct out *out)
{
	const struct event_field *field = event_field_find(&rec->event->pub, name);
	uint64_t value;

	if (!field)
		return;
	value = rec_uint(rec, field->offset, field->size);
	out_str(out, name);
	out_char(out, ':');
	if (!hex) {
		out_i64(out, (int32_t)value);
		return;
	}
	if ((uint32_t)value)
		out_lit(out, "0x");
	out_hex(out, (uint32_t)value);
}

/* In this order; a field behind which no blank stands ends its line. */
static const struct {
	const char *name;
	bool hex, new_line, last;
} bss_fields[] = {
	{"assoc", false, true, false},
	{"aid", false, false, false},
	{"cts", false, false, false},
	{"shortpre", false, false, false},
	{"shortslot", false, false, false},
	{"dtimper", false, false, false},
	{"bcnint", false, true, false},
	{"assoc_cap", true, false, false},
	{"basic_rates", true, false, false},
	{"enable_beacon", false, false, true},
	{"ht_operation_mode", false, true, true},
};

static bool bss_info_print(const struct rec *rec, struct out *out)
{
	uint64_t type;

	print_string(rec, BSS_WIPHY, out);
	out_lit(out, " vif:");
	print_string(rec, BSS_VIF, out);
	if (handler_value(rec, BSS_TYPE, false, &type, out)) {
		out_char(out, '(');
		out_i64(out, (int32_t)type);
		out_char(out, ')');
	} else {
		out_lit(out, "CAN'T FIND FIELD \"vif_type\"");
	}
	for (size_t i = 0; i < ARRAY_SIZE(bss_fields); i++) {
		if (bss_fields[i].new_line) {
			out_char(out, '\n');
			out_fill(out, ' ', BSS_INDENT);
		}
		print_named(rec, bss_fields[i].name, bss_fields[i].hex, out);
		if (!bss_fields[i].last)
			out_char(out, ' ');
	}
	return false;
}

#define KMEM(event)                                                                                \
	{                                                                                          \
		"kmem", event, call_site_print, {"call_site"}, EVENT_PLAIN                         \
	}
#define WAKEUP(event)                                                                              \
	{                                                                                          \
		"sched", event, wakeup_print, {"pid", "comm", "prio", "success", "target_cpu"},    \
			EVENT_SCHED_WAKEUP                                                         \
	}
#define TIMER(event, print)                                                                        \
	{                                                                                          \
		"timer", event, print,                                                             \
			{"timer", "hrtimer", "function", "now", "expires", "softexpires"},         \
			EVENT_PLAIN                                                                \
	}

const struct handler handlers_events[] = {
	{"sched",
	 "sched_switch",
	 switch_print,
	 {"prev_pid", "prev_comm", "prev_prio", "prev_state", "next_pid", "next_comm", "next_prio"},
	 EVENT_SCHED_SWITCH},
	WAKEUP("sched_wakeup"),
	WAKEUP("sched_wakeup_new"),
	KMEM("kfree"),
	KMEM("kmalloc"),
	KMEM("kmalloc_node"),
	KMEM("kmem_cache_alloc"),
	KMEM("kmem_cache_alloc_node"),
	KMEM("kmem_cache_free"),
	TIMER("hrtimer_expire_entry", timer_expire_print),
	TIMER("hrtimer_start", timer_start_print),
	{"syscalls",
	 "sys_enter_futex",
	 futex_print,
	 {"uaddr", "op", "val", "utime", "uaddr2", "val3"},
	 EVENT_PLAIN},
	{"tlb", "tlb_flush", tlb_print, {"pages", "reason"}, EVENT_PLAIN},
	{"mac80211",
	 "drv_bss_info_changed",
	 bss_info_print,
	 {"wiphy_name", "vif_name", "vif_type"},
	 EVENT_PLAIN},
	{0},
};
