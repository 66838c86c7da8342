/* SPDX-License-Identifier: MIT */
/*
 * Any text as a format, any bytes as a record of it. Byte 0: byte order, size of long, handlers;
 * byte 1: the system; then the text up to a NUL, then a printk format up to a NUL, then the record.
 */
#include "event/event.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const systems[] = {"ftrace", "sched", "kmem",   "timer",    "syscalls",
				      "tlb",	"kvm",	 "kvmmmu", "mac80211", "other"};

static const char kallsyms[] = "0000000000001000 T low\n"
			       "ffffffff81000000 T _text\n"
			       "ffffffff81000100 t second\t[module]\n"
			       "ffffffff81000100 t twin\n"
			       "ffffffff81000200 T last\n";

static struct symbols *make_symbols(void)
{
	struct symbols *symbols;

	if (symbols_new(&symbols))
		return NULL;
	if (symbols_add_kallsyms(symbols, kallsyms, strlen(kallsyms)) || symbols_seal(symbols)) {
		symbols_free(symbols);
		return NULL;
	}
	return symbols;
}

static void print_all(const struct event *event, const uint8_t *record, uint32_t len)
{
	struct event_options options = {.function_offset = true, .function_parent = true};
	struct event_context context = {
		.options = &options, .cpu = 1, .ts = 123456789, .indent = 2};
	struct out out = {0};

	options.graph_depth = options.graph_tailprint = true;
	for (int compat = 31; compat <= 34; compat += 3) {
		context.compat = compat;
		event_print(event, record, len, 0, &context, &out);
		event_print(event, record, len, EVENT_PRINT_NO_HANDLER, &context, &out);
		event_print(event, record, len, EVENT_PRINT_RAW, &context, &out);
		out_clear(&out);
	}
	context.leaf_exit = event;
	context.leaf_data = record;
	context.leaf_len = len;
	if (event->kind == EVENT_GRAPH_EXIT || event->kind == EVENT_GRAPH_ENTRY)
		event_print(event, record, len, 0, &context, &out);
	for (uint32_t i = 0; i < event->nr_fields; i++) {
		uint32_t bytes_len, sum = 0;
		const uint8_t *bytes =
			event_field_bytes(event, &event->fields[i], record, len, &bytes_len);

		event_field_u64(event, &event->fields[i], record, len);
		for (uint32_t k = 0; k < bytes_len; k++)
			sum += bytes[k];
		__asm__ volatile("" : : "r"(sum));
	}
	out_done(&out);
}

/* A copy of exactly its size, so that a read behind its end is seen. */
static void print_copy(const struct event *event, const uint8_t *record, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		return;
	if (len)
		memcpy(copy, record, len);
	print_all(event, copy, (uint32_t)len);
	free(copy);
}

static size_t text_len(const uint8_t *data, size_t size)
{
	const uint8_t *nul = memchr(data, 0, size);

	return nul ? (size_t)(nul - data) : size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct event_db_options options = {0};
	const char *system, *text, *printk;
	size_t len, printk_len;
	struct event_db *db;
	struct err err = {0};
	struct symbols *symbols;

	if (size < 2)
		return 0;
	options.big_endian = data[0] & 1;
	options.long_size = data[0] & 2 ? 4 : 8;
	options.no_handlers = data[0] & 4;
	system = systems[data[1] % (sizeof(systems) / sizeof(systems[0]))];
	data += 2;
	size -= 2;
	text = (const char *)data;
	len = text_len(data, size);
	data += len + (len < size);
	size -= len + (len < size);
	printk = (const char *)data;
	printk_len = text_len(data, size);
	data += printk_len + (printk_len < size);
	size -= printk_len + (printk_len < size);
	if (event_db_new(&db, &options))
		return 0;
	symbols = make_symbols();
	if (symbols)
		event_db_set_symbols(db, symbols);
	if (!event_db_add_format(db, system, text, len, &err) &&
	    !event_db_add_printk(db, printk, printk_len) &&
	    !event_db_add_cmdlines(db, printk, printk_len) && !event_db_seal(db))
		for (size_t i = 0; i < event_db_count(db); i++)
			print_copy(event_db_at(db, i), data, size);
	event_db_free(db);
	return 0;
}
