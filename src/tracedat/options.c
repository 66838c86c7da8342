/* SPDX-License-Identifier: MIT */
/* Options: kept as they stand in the file, and decoded where Sonde knows what they mean. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/internal.h"

/* What is left of one option. Sticky failure, as dat_source. */
struct part {
	struct dat_state *st;
	const uint8_t *pos, *end;
	bool big, bad;
};

static const uint8_t *part_get(struct part *part, size_t len)
{
	const uint8_t *p = part->pos;

	if (part->bad || len > (size_t)(part->end - p)) {
		part->bad = true;
		return NULL;
	}
	part->pos += len;
	return p;
}

static uint32_t part_u32(struct part *part)
{
	const uint8_t *p = part_get(part, 4);

	return p ? load_u32(p, part->big) : 0;
}

static uint64_t part_u64(struct part *part)
{
	const uint8_t *p = part_get(part, 8);

	return p ? load_u64(p, part->big) : 0;
}

static const char *part_name(struct part *part)
{
	const uint8_t *p = part->pos, *nul;

	nul = part->bad ? NULL : memchr(p, 0, (size_t)(part->end - p));
	if (!nul || nul - p > LIMIT_STRING_BYTES) {
		part->bad = true;
		return "";
	}
	part->pos = nul + 1;
	return (const char *)p; /* options stay as long as the dat */
}

int dat_option_add(struct dat_state *st, uint16_t id, const uint8_t *data, uint32_t len,
		   uint64_t offset)
{
	struct dat *dat = &st->dat;
	int r;

	if (dat->nr_options >= LIMIT_OPTIONS)
		return -EFBIG;
	r = array_reserve(&dat->options, &st->cap_options, dat->nr_options + 1,
			  sizeof(*dat->options));
	if (r < 0)
		return r;
	dat->options[dat->nr_options++] = (struct dat_option){id, data, len, offset};
	return 0;
}

/* A decimal or 0x number with a sign, not necessarily ended by a NUL. */
static bool parse_number(const uint8_t *data, uint32_t len, int64_t *ret_value)
{
	char text[64], *end;

	len = MIN(len, (uint32_t)sizeof(text) - 1);
	memcpy(text, data, len);
	text[len] = '\0';
	errno = 0;
	*ret_value = (int64_t)strtoll(text, &end, 0);
	if (errno == ERANGE) /* an unsigned one, as a wall clock in hex */
		*ret_value = (int64_t)strtoull(text, &end, 0);
	return end != text;
}

static int keep_text(struct dat_state *st, const struct dat_option *option, const char **ret_text)
{
	*ret_text = arena_strndup(&st->arena, (const char *)option->data, option->len);
	return *ret_text ? 0 : -ENOMEM;
}

/* Several of one kind (CPUSTAT, one per instance) become one text. */
static int append_text(struct dat_state *st, const struct dat_option *option, const char **text)
{
	size_t old = *text ? strlen(*text) : 0;
	size_t len = strnlen((const char *)option->data, option->len);
	char *joined = arena_alloc(&st->arena, old + len + 2);

	if (!joined)
		return -ENOMEM;
	if (old)
		memcpy(joined, *text, old);
	memcpy(joined + old, option->data, len);
	if (old + len && joined[old + len - 1] != '\n')
		joined[old + len] = '\n';
	*text = joined;
	return 0;
}

int dat_clock_of(struct dat_state *st, const void *text, size_t len, const char **ret_clock)
{
	const char *open = len ? memchr(text, '[', len) : NULL, *close;
	size_t left;

	*ret_clock = NULL;
	if (!open)
		return 0;
	left = len - (size_t)(open - (const char *)text) - 1;
	close = left ? memchr(open + 1, ']', left) : NULL;
	if (!close)
		return 0;
	*ret_clock = arena_strndup(&st->arena, open + 1, (size_t)(close - open) - 1);
	return *ret_clock ? 0 : -ENOMEM;
}

static int compare_samples(const void *a, const void *b)
{
	const struct dat_shift_sample *x = a, *y = b;

	return (x->time > y->time) - (x->time < y->time);
}

static int shift_cpu(struct part *part, struct dat_shift_cpu *cpu)
{
	uint32_t nr = part_u32(part);
	const uint8_t *p = part_get(part, (size_t)nr * 24);
	struct dat_shift_sample *samples;

	if (!p)
		return 0;
	samples = arena_alloc(&part->st->arena, (size_t)nr * sizeof(*samples));
	if (!samples)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr; i++) {
		samples[i].time = load_int(p + (size_t)i * 8, 8, part->big);
		samples[i].offset = load_int(p + ((size_t)nr + i) * 8, 8, part->big);
		samples[i].scaling = load_int(p + ((size_t)nr * 2 + i) * 8, 8, part->big);
	}
	cpu->samples = samples;
	cpu->nr = nr;
	return 0;
}

/* u64 peer, u32 flags, u32 CPUs, the samples; fraction bits follow since trace-cmd 3.0. */
static int decode_time_shift(struct part *part)
{
	struct dat_state *st = part->st;
	struct dat_time_shift shift = {.peer = part_u64(part), .flags = part_u32(part)};
	uint32_t nr = part_u32(part);
	int r;

	if (part->bad || nr > LIMIT_CPUS || nr > (size_t)(part->end - part->pos) / 4) {
		part->bad = true;
		return 0;
	}
	shift.cpus = arena_alloc(&st->arena, nr * sizeof(*shift.cpus));
	if (!shift.cpus)
		return -ENOMEM;
	shift.nr_cpus = nr;
	for (uint32_t i = 0; i < nr; i++) {
		r = shift_cpu(part, &shift.cpus[i]);
		if (r < 0)
			return r;
	}
	for (uint32_t i = 0; i < nr && !part->bad && part->pos < part->end; i++) {
		struct dat_shift_cpu *cpu = &shift.cpus[i];
		const uint8_t *p = part_get(part, (size_t)cpu->nr * 8);

		for (uint32_t k = 0; p && k < cpu->nr; k++)
			((struct dat_shift_sample *)cpu->samples)[k].fraction =
				load_int(p + (size_t)k * 8, 8, part->big);
	}
	for (uint32_t i = 0; i < nr; i++)
		if (shift.cpus[i].nr > 1)
			qsort((void *)shift.cpus[i].samples, shift.cpus[i].nr,
			      sizeof(struct dat_shift_sample), compare_samples);
	r = array_reserve(&st->dat.shifts, &st->cap_shifts, st->dat.nr_shifts + 1,
			  sizeof(*st->dat.shifts));
	if (r < 0)
		return r;
	st->dat.shifts[st->dat.nr_shifts++] = shift;
	return 0;
}

static int decode_guest(struct part *part)
{
	struct dat_state *st = part->st;
	struct dat_guest guest = {.name = part_name(part), .trace_id = part_u64(part)};
	uint32_t nr = part_u32(part);
	struct dat_guest_vcpu *vcpus;
	const uint8_t *p = part_get(part, (size_t)nr * 8);
	int r;

	if (!p)
		return 0;
	vcpus = arena_alloc(&st->arena, (size_t)nr * sizeof(*vcpus));
	if (!vcpus)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr; i++) {
		vcpus[i].vcpu = load_u32(p + (size_t)i * 8, part->big);
		vcpus[i].pid = load_u32(p + (size_t)i * 8 + 4, part->big);
	}
	guest.vcpus = vcpus;
	guest.nr_vcpus = nr;
	r = array_reserve(&st->dat.guests, &st->cap_guests, st->dat.nr_guests + 1,
			  sizeof(*st->dat.guests));
	if (r < 0)
		return r;
	((struct dat_guest *)st->dat.guests)[st->dat.nr_guests++] = guest;
	return 0;
}

static int decode_clock(struct dat_state *st, const struct dat_option *option)
{
	const char *clock;
	int r = dat_clock_of(st, option->data, option->len, &clock);

	if (r == 0 && clock)
		st->dat.clock = clock;
	return r < 0 ? r : keep_text(st, option, &st->dat.trace_clock);
}

static void decode_tsc(struct part *part)
{
	struct dat *dat = &part->st->dat;

	dat->tsc_mult = part_u32(part);
	dat->tsc_shift = part_u32(part);
	dat->has_tsc2nsec = !part->bad && dat->tsc_shift < 64;
	if (part->pos < part->end)
		dat->tsc_offset = part_u64(part);
	part->bad |= !dat->has_tsc2nsec;
}

static void decode_date(struct part *part, const struct dat_option *option)
{
	struct dat *dat = &part->st->dat;
	int64_t value;

	if (!parse_number(option->data, option->len, &value) ||
	    __builtin_mul_overflow(value, 1000, &dat->date_offset_ns))
		part->bad = true;
	else
		dat->has_date = true;
}

/* A v6 CPU count that follows a BUFFER option is that instance's. */
static void decode_cpu_count(struct part *part, const struct dat_option *option)
{
	struct dat_state *st = part->st;
	uint32_t nr = part_u32(part);

	if (nr > LIMIT_CPUS)
		part->bad = true;
	if (part->bad || (st->dat.version == 6 && option > st->dat.options &&
			  option[-1].id == DAT_OPTION_BUFFER))
		return;
	st->dat.nr_cpus = nr;
	st->have_cpu_count = true;
}

static int decode(struct part *part, const struct dat_option *option)
{
	struct dat_state *st = part->st;
	struct dat *dat = &st->dat;

	switch (option->id) {
	case DAT_OPTION_DATE:
		decode_date(part, option);
		return 0;
	case DAT_OPTION_OFFSET:
		dat->has_offset = parse_number(option->data, option->len, &dat->offset);
		part->bad |= !dat->has_offset;
		return 0;
	case DAT_OPTION_CPUSTAT:
		return append_text(st, option, &dat->cpustat);
	case DAT_OPTION_PROCMAPS:
		return append_text(st, option, &dat->procmaps);
	case DAT_OPTION_LAST_BOOT_INFO:
		return append_text(st, option, &dat->last_boot_info);
	case DAT_OPTION_TRACECLOCK:
		return decode_clock(st, option);
	case DAT_OPTION_UNAME:
		return keep_text(st, option, &dat->uname);
	case DAT_OPTION_VERSION:
		return keep_text(st, option, &dat->version_text);
	case DAT_OPTION_CPUCOUNT:
		decode_cpu_count(part, option);
		return 0;
	case DAT_OPTION_TRACEID:
		dat->trace_id = part_u64(part);
		return 0;
	case DAT_OPTION_TIME_SHIFT:
		return decode_time_shift(part);
	case DAT_OPTION_GUEST:
		return decode_guest(part);
	case DAT_OPTION_TSC2NSEC:
		decode_tsc(part);
		return 0;
	default:
		return 0; /* what points into the file is read by the version; others are kept */
	}
}

int dat_option_decode(struct dat_state *st, const struct dat_option *option)
{
	struct part part = {
		.st = st,
		.pos = option->data,
		.end = option->data + option->len,
		.big = st->dat.big_endian,
	};
	int r = decode(&part, option);

	if (r == 0 && part.bad)
		dat_damaged(st, -EBADMSG, "option %u at offset %" PRIu64 " is malformed",
			    option->id, option->offset);
	return r;
}
