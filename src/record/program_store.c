/* SPDX-License-Identifier: MIT */
#include "record/program_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "kernel/tsc.h"
#include "record/program_events.h"
#include "record/program_side.h"
#include "ring/raw.h"

#define CLOCK_NAME    "x86-tsc"
#define MEASURED_NS   100000000ull /* long enough for a scale that is right to 1e-6 */
#define THRESHOLD_NS  20000000l	   /* for one that is right to 1e-4 */
#define MEASURED_BITS 32u

static int read_uname(struct session *session)
{
	_cleanup_out_ struct out out = {0};
	struct utsname name;

	if (uname(&name) < 0)
		return 0;
	out_printf(&out, "%s %s %s %s", name.sysname, name.nodename, name.release, name.machine);
	if (out.failed)
		return -ENOMEM;
	session->metadata.uname = arena_strdup(&session->metadata.arena, out_cstr(&out));
	return session->metadata.uname ? 0 : -ENOMEM;
}

int program_store_create(struct session *session, const struct ring_session *ring, struct err *err)
{
	const struct record_plan *plan = session->plan;
	struct dat_write_options options = {
		.version = plan->version,
		.compression = plan->compression,
		.big_endian = HOST_BIG,
		.long_size = 8,
		.page_size = ring->shape.subbuf_size,
		.nr_cpus = ring->shape.nr_cpus,
	};
	struct dat_partial_buffer buffer = {
		.name = "",
		.clock = CLOCK_NAME,
		.page_size = ring->shape.subbuf_size,
		.nr_cpus = ring->shape.nr_rings,
		.keep_bytes = plan->instances[0]->keep_kb * 1024,
	};
	struct dat_metadata *dat = &session->metadata.dat;
	_cleanup_out_ struct out page = {0};
	const char *text;

	program_events_header_page(&page, ring->shape.subbuf_size);
	text = page.failed ? NULL : arena_strdup(&session->metadata.arena, out_cstr(&page));
	if (!text || read_uname(session) < 0 ||
	    program_events_formats(&session->metadata.arena, PROGRAM_EVENTS_BASE, &dat->formats,
				   &dat->nr_formats) < 0)
		return err_sys(err, -ENOMEM, "cannot record");
	dat->header_page = (struct dat_text){text, page.len};
	dat->header_event.data = program_events_header_event();
	dat->header_event.len = strlen(dat->header_event.data);
	dat->trace_clock = "[" CLOCK_NAME "]";
	return dat_partial_create(&session->partial, session->partial_path, &options, dat, &buffer,
				  1, err);
}

static bool is_free(const struct dat_format *formats, size_t nr, uint16_t base)
{
	for (size_t i = 0; i < nr; i++) {
		const char *id = strstr(formats[i].text, "\nID: ");

		if (id && strtoul(id + 5, NULL, 10) - base < PROGRAM_EVENTS_IDS)
			return false;
	}
	return true;
}

/* Behind those that the metadata has. */
static int add_formats(struct session *session, const struct dat_format *more, size_t nr)
{
	struct dat_metadata *dat = &session->metadata.dat;
	struct dat_format *all =
		arena_alloc(&session->metadata.arena, sizeof(*all) * (dat->nr_formats + nr));

	if (!all)
		return -ENOMEM;
	if (dat->nr_formats)
		memcpy(all, dat->formats, dat->nr_formats * sizeof(*all));
	memcpy(all + dat->nr_formats, more, nr * sizeof(*all));
	dat->formats = all;
	dat->nr_formats += nr;
	return 0;
}

int program_store_beside(struct program_side *side, struct dat_partial_buffer *ret_buffer,
			 struct err *err)
{
	struct session *session = side->session;
	struct dat_metadata *dat = &session->metadata.dat;
	const struct ring_shape *shape = &side->ring.shape;
	uint16_t base = PROGRAM_EVENTS_BASE;
	const struct dat_format *own;
	size_t nr;

	while (base && !(is_free(dat->formats, dat->nr_formats, base) &&
			 is_free(dat->ftrace_formats, dat->nr_ftrace_formats, base)))
		base = (uint16_t)(base - PROGRAM_EVENTS_IDS);
	if (!base)
		return err_set(err, -ENOSPC, "the kernel's events have taken all ids");
	if (program_events_formats(&session->metadata.arena, base, &own, &nr) < 0 ||
	    add_formats(session, own, nr) < 0)
		return err_sys(err, -ENOMEM, "cannot record");
	program_side_set_events(side, base);
	*ret_buffer = (struct dat_partial_buffer){
		.name = side->name,
		.clock = CLOCK_NAME,
		.page_size = shape->subbuf_size,
		.nr_cpus = shape->nr_rings,
		.keep_bytes = side->what->keep_kb * 1024,
	};
	return 0;
}

int program_store_names_reader(struct session *session, struct err *err)
{
	const struct dat_metadata *dat = &session->metadata.dat;
	struct subbuf_layout layout = {.big_endian = HOST_BIG, .long_size = 8};
	int r = names_new(&session->names, dat->formats, dat->nr_formats, &layout);

	return r < 0 ? err_sys(err, r, "cannot prepare to read the buffers") : 0;
}

int program_store_symbols(struct program_side *side, struct err *err)
{
	const struct dat_text *kernel = &side->session->metadata.dat.kallsyms;
	_cleanup_out_ struct out names = {0};
	int r;

	while ((r = program_server_names(side->server, &names)) > 0) {
		/* The kernel's, where it is traced as well, are at other addresses. */
		if (!side->names_begun)
			out_mem(&names, kernel->data, kernel->len);
		side->names_begun = true;
		if (names.failed)
			return err_sys(err, -ENOMEM, "cannot keep the names of functions");
		r = dat_partial_more_kallsyms(side->session->partial, names.buf, names.len, err);
		if (r < 0)
			return r;
		out_clear(&names);
	}
	return r < 0 ? err_sys(err, r, "cannot keep the names of functions") : 0;
}

int program_store_events(struct program_side *side, struct err *err)
{
	struct session *session = side->session;
	_cleanup_out_ struct out text = {0};
	const char *system;
	bool any = false;
	int r = 0;

	while (r == 0 && program_server_event(side->server, side->event_base, &system, &text)) {
		struct dat_format format = {
			.system = arena_strdup(&session->metadata.arena, system),
			.text = arena_strdup(&session->metadata.arena, out_cstr(&text)),
			.len = text.len,
		};

		if (text.failed || !format.system || !format.text)
			r = -ENOMEM;
		else
			r = add_formats(session, &format, 1);
		any = true;
		out_clear(&text);
	}
	if (r < 0)
		return err_sys(err, r, "cannot keep the events of probes");
	return any ? dat_partial_metadata(session->partial, &session->metadata.dat, err) : 0;
}

/* --- the clock --- */

static void read_clocks(uint64_t *ret_tsc, uint64_t *ret_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	*ret_tsc = raw_counter();
	*ret_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void program_store_clock_begin(struct program_store *store)
{
	read_clocks(&store->begin_tsc, &store->begin_ns);
}

/* ns = ticks * mult >> shift; from what has passed since the begin, which takes a moment. */
static struct kernel_tsc measured_scale(const struct program_store *store)
{
	struct kernel_tsc scale = {.mult = 1, .shift = 0};
	uint64_t tsc, ns;

	read_clocks(&tsc, &ns);
	tsc -= store->begin_tsc;
	ns -= store->begin_ns;
	if (tsc && ns) {
		scale.shift = MEASURED_BITS;
		scale.mult = (uint32_t)MIN(((__uint128_t)ns << MEASURED_BITS) / tsc,
					   (__uint128_t)UINT32_MAX);
	}
	return scale;
}

struct kernel_tsc program_store_scale(void)
{
	const struct timespec moment = {.tv_nsec = THRESHOLD_NS};
	struct program_store store;
	struct kernel_tsc scale;
	struct err ignored;

	if (kernel_tsc_scale(&scale, &ignored) < 0) {
		program_store_clock_begin(&store);
		nanosleep(&moment, NULL);
		scale = measured_scale(&store);
	}
	return scale;
}

uint64_t program_store_ticks(uint64_t ns)
{
	struct kernel_tsc scale = program_store_scale();
	__uint128_t ticks = ((__uint128_t)ns << scale.shift) / MAX(scale.mult, 1u);

	return (uint64_t)MIN(MAX(ticks, (__uint128_t)1), (__uint128_t)UINT64_MAX);
}

int program_store_clock(struct session *session, struct program_store *store, bool last,
			struct err *err)
{
	struct kernel_tsc scale;
	struct err ignored;
	uint8_t option[16] = {0};
	uint64_t tsc, ns;

	if (store->clock_stored)
		return 0;
	if (kernel_tsc_scale(&scale, &ignored) < 0) {
		read_clocks(&tsc, &ns);
		if (ns - store->begin_ns < MEASURED_NS && !last)
			return 0;
		scale = measured_scale(store);
	}
	store->clock_stored = true;
	store_u32(option, scale.mult, HOST_BIG);
	store_u32(option + 4, scale.shift, HOST_BIG);
	return dat_partial_option(session->partial, DAT_OPTION_TSC2NSEC, option, sizeof(option),
				  err);
}

/* --- statistics --- */

/* `buffer` is the buffer's name for its first one, else "". */
static int put_counts(struct session *session, uint32_t ring, const struct program_drained *counts,
		      const char *buffer, struct err *err)
{
	_cleanup_out_ struct out out = {0};

	if (*buffer)
		out_printf(&out, "\nBuffer: %s\n\n", buffer);
	out_printf(&out,
		   "CPU: %u\nentries: 0\noverrun: %llu\ncommit overrun: 0\nbytes: 0\n"
		   "dropped events: %llu\nread events: %llu\n",
		   ring, (unsigned long long)counts->overrun, (unsigned long long)counts->lost,
		   (unsigned long long)counts->read);
	out_char(&out, '\0');
	if (out.failed)
		return err_sys(err, -ENOMEM, "cannot keep the statistics");
	return dat_partial_option(session->partial, DAT_OPTION_CPUSTAT, out.buf, out.len, err);
}

int program_store_counts(struct session *session, const struct program_drain *drain,
			 const struct ring_session *ring_session, const char *buffer,
			 struct record_result *result, struct err *err)
{
	const struct ring_shape *shape = &ring_session->shape;
	const char *heading = buffer;
	size_t cap = 0;

	for (uint32_t ring = 0; ring < shape->nr_rings; ring++) {
		struct program_drained counts = program_drain_counts(drain, ring);
		struct record_cpu cpu = {
			.instance = buffer,
			.cpu = ring,
			.events = counts.read,
			.overrun = counts.overrun,
			.dropped = counts.lost,
			.lost = counts.lost + counts.overrun,
			.bytes = counts.bytes,
			.buffer_kb = (uint64_t)shape->nr_subbufs * shape->subbuf_size >> 10,
		};
		int r;

		/* Rings of threads without a CPU's are many, and seldom used. */
		if (ring >= shape->nr_cpus && !cpu.events && !cpu.lost)
			continue;
		r = put_counts(session, ring, &counts, heading, err);
		heading = "";
		if (r == 0 && array_reserve(&result->cpus, &cap, result->nr_cpus + 1, sizeof(cpu)))
			r = err_sys(err, -ENOMEM, "cannot keep the statistics");
		if (r < 0)
			return r;
		result->cpus[result->nr_cpus++] = cpu;
		result->events += cpu.events;
		result->lost += cpu.lost;
	}
	result->lost += __atomic_load_n(&ring_session->header->lost_outside, __ATOMIC_RELAXED);
	return 0;
}
