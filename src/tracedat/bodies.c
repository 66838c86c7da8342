/* SPDX-License-Identifier: MIT */
/* Bodies of the metadata sections, alike in both versions. */
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "tracedat/writer_internal.h"

void dat_put_u16(struct out *out, uint16_t value, bool big)
{
	uint8_t bytes[2];

	store_u16(bytes, value, big);
	out_mem(out, bytes, sizeof(bytes));
}

void dat_put_u32(struct out *out, uint32_t value, bool big)
{
	uint8_t bytes[4];

	store_u32(bytes, value, big);
	out_mem(out, bytes, sizeof(bytes));
}

void dat_put_u64(struct out *out, uint64_t value, bool big)
{
	uint8_t bytes[8];

	store_u64(bytes, value, big);
	out_mem(out, bytes, sizeof(bytes));
}

void dat_put_option(struct out *out, bool big, uint16_t id, const void *data, size_t len)
{
	dat_put_u16(out, id, big);
	dat_put_u32(out, (uint32_t)len, big);
	out_mem(out, data, len);
}

static void put_text64(struct out *out, const struct dat_text *text, bool big)
{
	dat_put_u64(out, text->len, big);
	out_mem(out, text->data, text->len);
}

/* The one of symbols may be large. */
static void put_text32(struct out *out, const struct dat_text *text, bool big)
{
	if (out_room(out, 4 + text->len))
		mem_expect_use(out->buf, out->cap);
	dat_put_u32(out, (uint32_t)text->len, big);
	out_mem(out, text->data, text->len);
}

static void build_headers(struct out *out, const struct dat_metadata *metadata, bool big)
{
	out_mem(out, "header_page", 12);
	put_text64(out, &metadata->header_page, big);
	out_mem(out, "header_event", 13);
	put_text64(out, &metadata->header_event, big);
}

static void put_format(struct out *out, const struct dat_format *format, bool big)
{
	dat_put_u64(out, format->len, big);
	out_mem(out, format->text, format->len);
}

static void build_ftrace(struct out *out, const struct dat_metadata *metadata, bool big)
{
	dat_put_u32(out, (uint32_t)metadata->nr_ftrace_formats, big);
	for (size_t i = 0; i < metadata->nr_ftrace_formats; i++)
		put_format(out, &metadata->ftrace_formats[i], big);
}

/* Formats of one system stand together; returns the index behind them. */
static size_t system_end(const struct dat_metadata *metadata, size_t start)
{
	size_t end = start + 1;

	while (end < metadata->nr_formats &&
	       !strcmp(metadata->formats[end].system, metadata->formats[start].system))
		end++;
	return end;
}

static void build_formats(struct out *out, const struct dat_metadata *metadata, bool big)
{
	uint32_t nr_systems = 0;

	for (size_t i = 0; i < metadata->nr_formats; i = system_end(metadata, i))
		nr_systems++;
	dat_put_u32(out, nr_systems, big);
	for (size_t i = 0, end; i < metadata->nr_formats; i = end) {
		const char *system = metadata->formats[i].system;

		end = system_end(metadata, i);
		out_mem(out, system, strlen(system) + 1);
		dat_put_u32(out, (uint32_t)(end - i), big);
		for (size_t k = i; k < end; k++)
			put_format(out, &metadata->formats[k], big);
	}
}

static void build_kallsyms(struct out *out, const struct dat_metadata *metadata, bool big)
{
	put_text32(out, &metadata->kallsyms, big);
}

static void build_printk(struct out *out, const struct dat_metadata *metadata, bool big)
{
	put_text32(out, &metadata->printk, big);
}

static void build_modules(struct out *out, const struct dat_metadata *metadata, bool big)
{
	(void)big;
	out_mem(out, metadata->modules.data, metadata->modules.len);
}

static void build_btf(struct out *out, const struct dat_metadata *metadata, bool big)
{
	(void)big;
	out_mem(out, metadata->btf.data, metadata->btf.len);
}

static void build_cmdlines(struct out *out, const struct dat_metadata *metadata, bool big)
{
	put_text64(out, &metadata->cmdlines, big);
}

const struct dat_body dat_bodies[DAT_NR_BODIES] = {
	{DAT_OPTION_HEADER_INFO, "headers", false, build_headers},
	{DAT_OPTION_FTRACE_EVENTS, "ftrace events", false, build_ftrace},
	{DAT_OPTION_EVENT_FORMATS, "events format", false, build_formats},
	{DAT_OPTION_KALLSYMS, "kallsyms", false, build_kallsyms},
	{DAT_OPTION_PRINTK, "printk", false, build_printk},
	{DAT_OPTION_MODULES_FILE, "modules", true, build_modules},
	{DAT_OPTION_BTF_FILE, "btf", true, build_btf},
	{DAT_OPTION_CMDLINES, "command lines", false, build_cmdlines},
};
