/* SPDX-License-Identifier: MIT */
#include "record/program_events.h"

#include <errno.h>

#include "base/mem.h"
#include "program/common_fields.h"
#include "program/watcher.h"
#include "ring/shared.h"
#include "runtime/events.h"

#define COMMON PROGRAM_COMMON_FIELDS

/* ip is an address of the trace address space, which kallsyms names. */
#define CALL                                                                                       \
	COMMON "\tfield:unsigned int ip;\toffset:8;\tsize:4;\tsigned:0;\n"                         \
	       "\tfield:unsigned int sp;\toffset:12;\tsize:4;\tsigned:0;\n"                        \
	       "\n"                                                                                \
	       "print fmt: \"%ps\", (void *)(unsigned long)REC->ip\n"

#define THREAD                                                                                     \
	COMMON "\tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;\n"                               \
	       "\tfield:char comm[16];\toffset:12;\tsize:16;\tsigned:0;\n"                         \
	       "\n"                                                                                \
	       "print fmt: \"pid=%d comm=%s\", REC->pid, REC->comm\n"

#define BLOCKED                                                                                    \
	COMMON "\tfield:u64 waited;\toffset:8;\tsize:8;\tsigned:0;\n"                              \
	       "\n"                                                                                \
	       "print fmt: \"waited=%llu\", REC->waited\n"

#define COUNT                                                                                      \
	COMMON "\tfield:unsigned int ip;\toffset:8;\tsize:4;\tsigned:0;\n"                         \
	       "\tfield:u64 count;\toffset:16;\tsize:8;\tsigned:0;\n"                              \
	       "\n"                                                                                \
	       "print fmt: \"%ps count=%llu\", (void *)(unsigned long)REC->ip, REC->count\n"

#define LONG                                                                                       \
	COMMON "\tfield:unsigned int ip;\toffset:8;\tsize:4;\tsigned:0;\n"                         \
	       "\tfield:unsigned int sp;\toffset:12;\tsize:4;\tsigned:0;\n"                        \
	       "\tfield:u64 calltime;\toffset:16;\tsize:8;\tsigned:0;\n"                           \
	       "\tfield:u64 rettime;\toffset:24;\tsize:8;\tsigned:0;\n"                            \
	       "\n"                                                                                \
	       "print fmt: \"%ps took=%llu\", (void *)(unsigned long)REC->ip, "                    \
	       "REC->rettime - REC->calltime\n"

/* What a histogram that was counted in the programs has under a key, or what found no room there.
 */
#define HIST                                                                                       \
	COMMON "\tfield:unsigned int hist;\toffset:8;\tsize:4;\tsigned:0;\n"                       \
	       "\tfield:u64 key[3];\toffset:16;\tsize:24;\tsigned:0;\n"                            \
	       "\tfield:u64 hits;\toffset:40;\tsize:8;\tsigned:0;\n"                               \
	       "\tfield:u64 duration;\toffset:48;\tsize:8;\tsigned:0;\n"                           \
	       "\tfield:u64 dropped;\toffset:56;\tsize:8;\tsigned:0;\n"                            \
	       "\n"                                                                                \
	       "print fmt: \"hist=%u key=%llu,%llu,%llu hits=%llu duration=%llu dropped=%llu\", "  \
	       "REC->hist, REC->key[0], REC->key[1], REC->key[2], REC->hits, REC->duration, "      \
	       "REC->dropped\n"

/* As the kernel has it, for those who know that. */
#define STACK                                                                                      \
	COMMON "\tfield:int size;\toffset:8;\tsize:4;\tsigned:1;\n"                                \
	       "\tfield:unsigned long caller[8];\toffset:16;\tsize:64;\tsigned:0;\n"               \
	       "\n"                                                                                \
	       "print fmt: \"\\t=> %ps\\n\\t=> %ps\\n\\t=> %ps\\n\", "                             \
	       "(void *)REC->caller[0], (void *)REC->caller[1], (void *)REC->caller[2]\n"

static const struct {
	const char *name;
	uint16_t number;
	const char *body;
	const char *system; /* NULL: sonde */
} events[] = {
	{"func_entry", RING_EVENT_ENTRY, CALL},
	{"func_exit", RING_EVENT_EXIT, CALL},
	{"func_tail", RING_EVENT_TAIL, CALL},
	{"func_call", RT_EVENT_CALL, CALL},
	{"blocked", RING_EVENT_BLOCKED, BLOCKED},
	{"thread", RT_EVENT_THREAD, THREAD},
	{"kernel_stack", RT_EVENT_STACK, STACK, "ftrace"},
	{"func_count", RT_EVENT_COUNT, COUNT},
	{"func_long", RT_EVENT_LONG, LONG},
	{"func_hist", RT_EVENT_HIST, HIST},
};

const struct program_watch_event *program_events_watched(bool thresh, bool graph, size_t *ret_nr)
{
	static const struct program_watch_event calls[] = {
		{"func_call", RT_EVENT_CALL, true},
		{"func_entry", RING_EVENT_ENTRY, true},
		{"func_exit", RING_EVENT_EXIT, false, true},
		{"func_tail", RING_EVENT_TAIL, true},
	};
	static const struct program_watch_event longer[] = {
		{"func_long", RT_EVENT_LONG, false, true}};

	*ret_nr = thresh || !graph ? 1 : ARRAY_SIZE(calls);
	return thresh ? longer : calls;
}

int program_events_formats(struct arena *arena, uint16_t base,
			   const struct dat_format **ret_formats, size_t *ret_nr)
{
	struct dat_format *formats = arena_alloc(arena, sizeof(*formats) * ARRAY_SIZE(events));

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		_cleanup_out_ struct out text = {0};
		const char *kept;

		out_printf(&text, "name: %s\nID: %u\n%s", events[i].name, base + events[i].number,
			   events[i].body);
		kept = text.failed ? NULL : arena_strdup(arena, out_cstr(&text));
		if (!formats || !kept)
			return -ENOMEM;
		formats[i] = (struct dat_format){events[i].system ? events[i].system : "sonde",
						 kept, text.len};
	}
	*ret_formats = formats;
	*ret_nr = ARRAY_SIZE(events);
	return 0;
}

void program_events_header_page(struct out *out, uint32_t subbuf_size)
{
	out_printf(out,
		   "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
		   "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
		   "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
		   "\tfield: char data;\toffset:16;\tsize:%u;\tsigned:1;\n",
		   subbuf_size - RING_HEAD_BYTES);
}

const char *program_events_header_event(void)
{
	return "# compressed entry header\n"
	       "\ttype_len    :    5 bits\n"
	       "\ttime_delta  :   27 bits\n"
	       "\tarray       :   32 bits\n"
	       "\n"
	       "\tpadding     : type == 29\n"
	       "\ttime_extend : type == 30\n"
	       "\ttime_stamp : type == 31\n"
	       "\tdata max type_len  == 28\n";
}
