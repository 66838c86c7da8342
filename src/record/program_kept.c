/* SPDX-License-Identifier: MIT */
#include "record/program_kept.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "record/program_side.h"
#include "tracedat/partial.h"

static size_t kept_bytes(uint32_t nr_rings)
{
	return sizeof(struct program_kept) + nr_rings * sizeof(struct program_kept_ring);
}

struct program_kept *program_kept_new(uint32_t nr_rings)
{
	void *at = mmap(NULL, kept_bytes(nr_rings), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

void program_kept_free(struct program_kept *kept, uint32_t nr_rings)
{
	if (kept)
		munmap(kept, kept_bytes(nr_rings));
}

static size_t counts_bytes(uint32_t nr_sets)
{
	return sizeof(struct program_kept_counts) +
	       (size_t)nr_sets * sizeof(((struct program_kept_counts *)NULL)->told[0]);
}

/* A file, since of other shared memory all is accounted for where overcommit is strict. */
struct program_kept_counts *program_kept_counts_new(uint32_t nr_sets)
{
	_cleanup_close_ int fd = memfd_create("sonde-counts", MFD_CLOEXEC);
	void *at;

	if (fd < 0 || ftruncate(fd, (off_t)counts_bytes(nr_sets)) < 0)
		return NULL;
	at = mmap(NULL, counts_bytes(nr_sets), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

void program_kept_counts_free(struct program_kept_counts *counts, uint32_t nr_sets)
{
	if (counts)
		munmap(counts, counts_bytes(nr_sets));
}

/* --- in the keeper --- */

struct work {
	const struct program_side *side;
	size_t buffer;
};

/* What the recorder has stored, and over it what is in the rest. */
static int store_names(struct session *session, const struct program_drain *drain, bool counts,
		       struct err *err)
{
	_cleanup_out_ struct out rest = {0};
	struct comms comms = {0};
	int r = session_read_comms(session);

	if (r == 0)
		r = program_drain_names(drain, &comms);
	if (r == 0)
		r = comms_text(&comms, &rest);
	if (r == 0)
		r = comms_merge(&session->comms, out_cstr(&rest));
	comms_done(&comms);
	if (r == 0 && counts)
		r = program_side_name_command(session);
	return r < 0 ? err_sys(err, r, "cannot keep the names of tasks")
		     : session_store_comms(session, err);
}

static int store_all(const struct program_side *side, const struct ring_session *ring,
		     struct program_drain *drain, struct err *err)
{
	struct session *session = side->session;
	struct program_store *store = &side->kept->store;
	struct record_result result = {0};
	int r = program_drain_stop(drain, err);

	if (r == 0)
		r = store_names(session, drain, side->counts != NULL, err);
	if (r == 0)
		r = program_store_clock(session, store, true, err);
	if (r == 0 && !store->counts_stored)
		r = program_store_counts(session, drain, ring, side->name, &result, err);
	record_result_done(&result);
	return r;
}

static void salvage(const struct work *work, struct ring_session *ring)
{
	const struct session *session = work->side->session;
	struct program_drain_options options = {
		.session = ring,
		.partial = session->partial,
		.buffer = work->buffer,
		.names = session->names,
		.kept = work->side->kept,
		.salvage = true,
	};
	struct program_count *count = NULL;
	struct program_drain *drain;
	struct err err = {0};

	/* There is nobody to be told of a failure; what was stored stays readable. */
	if (work->side->counts) {
		if (program_side_count(work->side, ring, &count) < 0)
			return;
		options.due = program_count_take;
		options.ctx = count;
	}
	if (dat_partial_adopt(session->partial, &err) == 0 &&
	    program_drain_new(&drain, &options, &err) == 0) {
		(void)!store_all(work->side, ring, drain, &err);
		program_drain_free(drain);
	}
	program_count_free(count);
}

/* First the programs, which may be waiting, then what they have written. */
static void go_on(void *ctx)
{
	const struct work *work = ctx;
	struct ring_session ring;
	struct err err;

	if (ring_session_open(&ring, work->side->ring.fd, &err) < 0)
		return;
	ring_session_switch(&ring, false);
	if (!work->side->session->plan->discard)
		salvage(work, &ring);
	ring_session_close(&ring);
}

int program_keeper_start(struct program_side *side, size_t buffer, struct err *err)
{
	struct work work = {side, buffer};
	const int fds[] = {side->ring.fd, side->session->partial_lock,
			   dat_partial_descriptor(side->session->partial)};
	int r = keeper_start(&side->keeper, fds, ARRAY_SIZE(fds), go_on, &work);

	return r < 0 ? err_sys(err, r, "cannot start the process that keeps what is recorded") : 0;
}
