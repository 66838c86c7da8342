/* SPDX-License-Identifier: MIT */
/* LTTng-UST's two events for tests/bench/program: a function is entered, and left. */
#undef TRACEPOINT_PROVIDER
#define TRACEPOINT_PROVIDER calls
#undef TRACEPOINT_INCLUDE
#define TRACEPOINT_INCLUDE "./calls_tp.h"

#if !defined(SONDE_BENCH_CALLS_TP_H) || defined(TRACEPOINT_HEADER_MULTI_READ)
#define SONDE_BENCH_CALLS_TP_H

#include <lttng/tracepoint.h>

TRACEPOINT_EVENT(calls, entry, TP_ARGS(void *, function),
		 TP_FIELDS(ctf_integer_hex(unsigned long, function, (unsigned long)function)))
TRACEPOINT_EVENT(calls, exit, TP_ARGS(void *, function),
		 TP_FIELDS(ctf_integer_hex(unsigned long, function, (unsigned long)function)))

#endif

#include <lttng/tracepoint-event.h>
