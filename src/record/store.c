/* SPDX-License-Identifier: MIT */
/*
 * OUT.partial of one recording. Its directory is locked (flock) as long as the recorder lives, so
 * that a later recorder to the same output can tell a left-over, which it replaces as it would
 * replace the output itself, from one in use.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "kernel/tsc.h"
#include "record/program_side.h"
#include "record/session.h"

#define PARTIAL_SUFFIX ".partial"
#define LOCK_TRIES     100u
#define LOCK_WAIT_US   20000

/* Nothing, or what a killed recorder left: then it goes. */
static int make_room(struct session *session, struct err *err)
{
	const char *path = session->partial_path;
	_cleanup_free_ char *meta = tracefs_join(path, "meta.dat");
	_cleanup_close_ int lock = io_open(path, O_RDONLY | O_DIRECTORY, 0);
	struct stat st;
	int r;

	if (lock == -ENOENT)
		return 0;
	if (!meta)
		return err_sys(err, -ENOMEM, "cannot look at %s", path);
	if (lock < 0 && lock != -ENOTDIR)
		return err_sys(err, lock, "cannot open %s", path);
	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0 && errno != ENOSYS)
		return err_set(err, -EBUSY,
			       "another sonde is recording to %s right now; choose another output "
			       "with -o",
			       session->plan->output);
	/* One that was killed at once has nothing in it. */
	if (lock >= 0 && io_rmdir(path) == 0)
		return 0;
	r = lock >= 0 ? io_stat(meta, &st) : -ENOENT;
	if (r == -ENOENT)
		return err_set(err, -EEXIST,
			       "%s is in the way and is no recording; remove it, or choose another "
			       "output with -o",
			       path);
	if (r == 0)
		r = dat_partial_remove(path);
	if (r < 0)
		return err_sys(err, r, "cannot replace %s", path);
	session_say(session, RECORD_SAY_WARNING,
		    "replaced %s, which a recorder that was killed had left", path);
	return 0;
}

static struct session_instance *first_open(const struct session *session)
{
	for (size_t i = 0; i < session->nr_instances; i++) {
		if (session->instances[i].open)
			return &session->instances[i];
	}
	return NULL;
}

uint32_t session_page_size(const struct session *session, const struct session_instance *inst)
{
	return inst->open ? inst->kernel.page_size : first_open(session)->kernel.page_size;
}

static int create(struct session *session, struct err *err)
{
	const struct record_plan *plan = session->plan;
	const struct session_instance *first = first_open(session);
	struct dat_write_options options = {
		.version = plan->version,
		.compression = plan->compression,
		.big_endian = HOST_BIG,
		.long_size = first->kernel.long_size,
		.page_size = first->kernel.page_size,
		.nr_cpus = session->fs->cpus,
	};
	_cleanup_free_ struct dat_partial_buffer *buffers =
		mem_calloc(session->nr_instances + 1, sizeof(*buffers));
	size_t nr = session->nr_instances;

	if (!buffers)
		return err_sys(err, -ENOMEM, "cannot record");
	for (size_t i = 0; i < session->nr_instances; i++) {
		const struct session_instance *inst = &session->instances[i];

		buffers[i] = (struct dat_partial_buffer){
			.name = inst->plan && inst->plan->name ? inst->plan->name : "",
			.clock = inst->open ? inst->clock : first->clock,
			.page_size = session_page_size(session, inst),
			.nr_cpus = session->fs->cpus,
			.keep_bytes = inst->plan ? inst->plan->keep_kb * 1024 : 0,
		};
	}
	if (session->side && program_store_beside(session->side, &buffers[nr++], err) < 0)
		return err->code;
	session->metadata.dat.trace_clock = first->clocks;
	return dat_partial_create(&session->partial, session->partial_path, &options,
				  &session->metadata.dat, buffers, nr, err);
}

static int put_in_partial(void *to, uint16_t id, const void *data, size_t len, struct err *err)
{
	return dat_partial_option(to, id, data, len, err);
}

/* u32 mult, u32 shift, u64 offset, which no reader uses. */
static int put_scale(session_option_fn put, void *to, struct err *err)
{
	uint8_t option[16] = {0};
	struct kernel_tsc tsc;
	int r = kernel_tsc_scale(&tsc, err);

	if (r < 0)
		return r;
	store_u32(option, tsc.mult, HOST_BIG);
	store_u32(option + 4, tsc.shift, HOST_BIG);
	return put(to, DAT_OPTION_TSC2NSEC, option, sizeof(option), err);
}

int session_store_options(struct session *session, session_option_fn put, void *to, struct err *err)
{
	const struct record_plan *plan = session->plan;
	uint64_t trace_id = 0;
	char text[64];
	int r = 0;

	if (session->metadata.uname)
		r = put(to, DAT_OPTION_UNAME, session->metadata.uname,
			strlen(session->metadata.uname) + 1, err);
	if (r == 0)
		r = put(to, DAT_OPTION_VERSION, plan->version_text, strlen(plan->version_text) + 1,
			err);
	if (getrandom(&trace_id, sizeof(trace_id), 0) != (ssize_t)sizeof(trace_id))
		trace_id = (uint64_t)time(NULL);
	if (r == 0)
		r = put(to, DAT_OPTION_TRACEID, &trace_id, sizeof(trace_id), err);
	if (r == 0 && plan->date) {
		/* The format's unit is the microsecond, in hexadecimal text. */
		snprintf(text, sizeof(text), "0x%llx",
			 (unsigned long long)(session->date_offset / 1000));
		r = put(to, DAT_OPTION_DATE, text, strlen(text) + 1, err);
	}
	if (r == 0 && plan->tsc2nsec)
		r = put_scale(put, to, err);
	if (r == 0 && plan->has_ts_offset) {
		snprintf(text, sizeof(text), "%lld", (long long)plan->ts_offset);
		r = put(to, DAT_OPTION_OFFSET, text, strlen(text) + 1, err);
	}
	for (size_t i = 0; i < plan->hooks.nr && r == 0; i++)
		r = put(to, DAT_OPTION_HOOK, plan->hooks.items[i], strlen(plan->hooks.items[i]) + 1,
			err);
	return r;
}

/* Renaming at the very end would be refused by a directory, and replace a device by a file. */
static int check_output(const char *output, struct err *err)
{
	struct stat st;

	if (io_stat(output, &st) < 0 || S_ISREG(st.st_mode))
		return 0;
	if (S_ISDIR(st.st_mode))
		return err_set(err, -EISDIR, "%s is a directory; name a file with -o", output);
	return err_set(err, -EINVAL,
		       "%s is not an ordinary file, which a recording needs; name one with -o",
		       output);
}

/*
 * The directory OUT will stand in, locked while OUT.partial is looked at, made and locked itself,
 * so that two recorders to the same output cannot take each other's for a left-over. Not waited
 * for without end, since other programs may lock directories too.
 */
static int lock_parent(const struct record_plan *plan)
{
	const char *output = plan->output, *slash = strrchr(output, '/');
	_cleanup_free_ char *parent =
		plan->temp ? mem_strdup(plan->temp)
		: slash	   ? mem_strndup(output, MAX((size_t)(slash - output), (size_t)1))
			   : mem_strdup(".");
	int fd = parent ? io_open(parent, O_RDONLY | O_DIRECTORY, 0) : -1;

	for (unsigned int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			break;
		usleep(LOCK_WAIT_US);
	}
	return fd;
}

static char *partial_path(const struct record_plan *plan)
{
	const char *slash = strrchr(plan->output, '/');
	_cleanup_out_ struct out path = {0};

	if (plan->temp)
		out_printf(&path, "%s/%s", plan->temp, slash ? slash + 1 : plan->output);
	else
		out_str(&path, plan->output);
	out_str(&path, PARTIAL_SUFFIX);
	return path.failed ? NULL : mem_strdup(out_cstr(&path));
}

static int read_and_create(struct session *session, struct err *err)
{
	int r = kernel_metadata_read(&session->metadata, &first_open(session)->kernel,
				     &session->events, session->stored, err);

	session->symbols_later = r == 0 && !session_expects_symbols(session);
	if (r == 0 && !session->symbols_later)
		r = kernel_metadata_symbols(&session->metadata, session->fs, err);
	return r < 0 ? r : create(session, err);
}

int session_store_make(struct session *session, session_create_fn make, struct err *err)
{
	/* Held until this returns. */
	_cleanup_close_ __attribute__((unused)) int parent = lock_parent(session->plan);
	int r;

	session->partial_path = partial_path(session->plan);
	if (!session->partial_path)
		return err_sys(err, -ENOMEM, "cannot record");
	r = check_output(session->plan->output, err);
	if (r == 0)
		r = make_room(session, err);
	if (r == 0)
		r = make(session, err);
	if (r < 0)
		return r;
	session->partial_lock = io_open(session->partial_path, O_RDONLY | O_DIRECTORY, 0);
	if (session->partial_lock >= 0)
		flock(session->partial_lock, LOCK_EX | LOCK_NB);
	return session_store_options(session, put_in_partial, session->partial, err);
}

int session_store_open(struct session *session, struct err *err)
{
	return session_store_make(session, read_and_create, err);
}

int session_read_comms(struct session *session)
{
	_cleanup_out_ struct out path = {0};
	_cleanup_free_ char *text = NULL;
	int r;

	out_printf(&path, "%s/cmdlines", session->partial_path);
	out_cstr(&path);
	r = path.failed ? -ENOMEM : io_read_file(path.buf, LIMIT_OPTION_BYTES, &text, NULL);
	if (r == 0)
		r = comms_merge(&session->comms, text);
	return r == -ENOENT ? 0 : r;
}

int session_store_comms(struct session *session, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_out_ struct out out = {0};
	int r = session->fs ? kernel_cmdlines(session->fs, &text, err) : 0;

	/* Names are worth having, not worth losing the trace for. */
	if (r < 0 && r != -ENOMEM)
		return 0;
	/* Those of programs are stored as they come, by another thread. */
	if (r == 0 && session->side)
		r = session_read_comms(session);
	if (r == 0 && text)
		r = comms_merge(&session->comms, text);
	if (r == 0)
		r = comms_text(&session->comms, &out);
	if (r < 0)
		return err_sys(err, r, "cannot keep the names of tasks");
	return dat_partial_cmdlines(session->partial, out.buf ? out.buf : "", out.len, err);
}

static int add_result(struct record_result *result, size_t *cap, const struct record_cpu *cpu)
{
	int r = array_reserve(&result->cpus, cap, result->nr_cpus + 1, sizeof(*cpu));

	if (r < 0)
		return r;
	result->cpus[result->nr_cpus++] = *cpu;
	result->events += cpu->events;
	result->lost += cpu->lost;
	return 0;
}

/* One CPUSTAT option for each CPU; an instance's first one says whose they are. */
static int add_stats(struct session *session, const struct session_instance *inst, bool first,
		     uint32_t cpu, struct record_cpu *ret_cpu, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_out_ struct out out = {0};
	struct kernel_cpu_stats stats;
	const char *name = inst->plan->name;
	size_t index = (size_t)(inst - session->instances);
	int r = inst->sampled ? session_user_stats(session, cpu, &stats, &text)
			      : kernel_instance_stats(&inst->kernel, cpu, &stats, &text, err);

	if (r < 0)
		return r;
	if (inst->read_before)
		stats.read -= MIN(inst->read_before[cpu], stats.read);
	*ret_cpu = (struct record_cpu){
		.instance = name ? name : "",
		.cpu = cpu,
		.events = stats.read,
		.left = stats.entries,
		.overrun = stats.overrun,
		.commit_overrun = stats.commit_overrun,
		.dropped = stats.dropped,
		.lost = loss_of(&stats),
		.bytes = inst->sampled	  ? session_user_bytes(session, cpu)
			 : session->drain ? drain_bytes(session->drain, index, cpu)
					  : 0,
		.buffer_kb = inst->buffer_kb,
		.let_go = dat_partial_events_gone(session->partial, index, cpu),
	};
	if (inst->loss)
		loss_update(&session->loss, &inst->loss[cpu], &stats,
			    stats.read ? ret_cpu->bytes / stats.read : 0, inst->buffer_kb);
	if (name && first)
		out_printf(&out, "\nBuffer: %s\n\n", name);
	out_printf(&out, "CPU: %u\n%s", cpu, text);
	out_char(&out, '\0');
	if (out.failed)
		return err_sys(err, -ENOMEM, "cannot keep the statistics");
	r = dat_partial_option(session->partial, DAT_OPTION_CPUSTAT, out.buf, out.len, err);
	/* After a failure the caller is told at least. */
	return session->failed ? 0 : r;
}

static int seen_names(struct session *session)
{
	int r = session_user_names(session);

	if (r < 0)
		return r;
	return session->drain ? drain_names(session->drain, &session->comms)
			      : names_merge(session->reader, &session->comms);
}

static int collect_stats(struct session *session, struct record_result *result, struct err *err)
{
	size_t cap = 0;

	for (size_t i = 0; i < session->nr_instances; i++) {
		const struct session_instance *inst = &session->instances[i];
		bool first = true;

		for (uint32_t cpu = 0; (inst->open || inst->sampled) && cpu < session->fs->cpus;
		     cpu++) {
			struct record_cpu counts;
			int r = add_stats(session, inst, first, cpu, &counts, err);

			if (r == -ENOENT)
				continue;
			if (r == 0)
				r = add_result(result, &cap, &counts);
			if (r == -ENOMEM)
				err_sys(err, r, "cannot keep the statistics");
			if (r < 0)
				return r;
			first = false;
		}
	}
	return 0;
}

/* The command's were taken at its end; those of -P are what they are now. */
static int put_maps(struct session *session, struct err *err)
{
	const struct record_plan *plan = session->plan;
	struct procmaps *maps = &session->maps;
	int r = 0;

	for (size_t i = 0; plan->proc_map && i < plan->nr_pids && r == 0; i++)
		r = procmaps_take(maps, plan->pids[i]);
	if (r < 0)
		return err_sys(err, r, "cannot keep the address maps");
	for (size_t i = 0; i < maps->nr && r == 0; i++)
		r = dat_partial_option(session->partial, DAT_OPTION_PROCMAPS, maps->texts[i],
				       strlen(maps->texts[i]) + 1, err);
	return r;
}

void session_store_failed(struct session *session, struct record_result *result)
{
	struct err ignored;

	/* finish may have come some way. */
	record_result_done(result);
	session->failed = true;
	if (!session->plan->snapshot && collect_stats(session, result, &ignored) < 0)
		record_result_done(result);
}

int session_store_finish(struct session *session, struct record_result *result, struct err *err)
{
	/* The counters are the buffer's own, not those of what was set aside. */
	int r = session->plan->snapshot ? 0 : collect_stats(session, result, err);

	result->needed_kb = session->loss.needed_kb ? loss_recommended_kb(&session->loss) : 0;
	if (r == 0)
		r = session_late_symbols(session, err);
	if (r == 0)
		r = put_maps(session, err);
	/* Twice: what the kernel knows goes before what was seen. */
	if (r == 0)
		r = session_store_comms(session, err);
	if (r == 0 && seen_names(session) < 0)
		r = err_sys(err, -ENOMEM, "cannot keep the names of tasks");
	if (r == 0)
		r = session_store_comms(session, err);
	return r;
}

void session_store_close(struct session *session)
{
	dat_partial_abandon(session->partial);
	session->partial = NULL;
	if (session->partial_path && session->partial_lock >= 0 && !session->keep_partial &&
	    dat_partial_remove(session->partial_path) < 0)
		session->keep_partial = true;
	io_close(session->partial_lock);
	session->partial_lock = -1;
}
