/* SPDX-License-Identifier: MIT */
/*
 * Every count and length that comes from outside (a file, the kernel, a peer) meets one of these
 * before it is used. They are far above what real traces hold, and low enough that a hostile
 * number cannot exhaust memory.
 */
#ifndef SONDE_BASE_LIMITS_H
#define SONDE_BASE_LIMITS_H

#define LIMIT_SUBBUF_BYTES     (64u << 20) /* one sub-buffer; kernels allow up to 2^order pages */
#define LIMIT_SUBBUF_MIN_BYTES 64u
#define LIMIT_CPUS	       65536u
#define LIMIT_INSTANCES	       65536u
#define LIMIT_SYSTEMS	       65536u
#define LIMIT_EVENTS	       65536u	    /* event ids are u16 */
#define LIMIT_FORMAT_BYTES     (1u << 20)   /* one event format text */
#define LIMIT_FIELDS	       1024u	    /* fields of one event */
#define LIMIT_PRINT_DEPTH      200u	    /* nesting of one print fmt expression */
#define LIMIT_PRINT_OPS	       65536u	    /* operations in one print program */
#define LIMIT_PRINT_BYTES      (1u << 20)   /* text one record may print */
#define LIMIT_PRINT_WIDTH      4096u	    /* width or precision of one conversion, an indent */
#define LIMIT_PRINT_NODES      65536u	    /* steps of all expressions of one print fmt */
#define LIMIT_STRING_BYTES     4096u	    /* names: events, systems, instances, clocks */
#define LIMIT_SECTION_BYTES    (1ull << 30) /* one metadata section, uncompressed (kallsyms, BTF) */
#define LIMIT_OPTION_BYTES     (256u << 20) /* one option */
#define LIMIT_OPTIONS	       1000000u
#define LIMIT_SECTIONS	       1000000u
#define LIMIT_CHUNK_BYTES      (256u << 20) /* one chunk of compressed sub-buffers, either side */
#define LIMIT_EXPAND_BYTES     (64u << 20)  /* what expands to more must come from 1/RATIO of it */
#define LIMIT_EXPAND_RATIO     256u
#define LIMIT_PID	       (1u << 30)
#define LIMIT_FILTER_BYTES     65536u
#define LIMIT_FILTER_DEPTH     8192u	    /* nesting of one filter expression, chains included */
#define LIMIT_FILTER_NODES     65536u	    /* values and operators of one filter expression */
#define LIMIT_SYMBOLS	       50000000u    /* names of one symbol table */
#define LIMIT_PROGRAM_BYTES    (2ull << 30) /* addresses that one program or library takes */

#endif
