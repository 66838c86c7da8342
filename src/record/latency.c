/* SPDX-License-Identifier: MIT */
/*
 * The tracers irqsoff, preemptoff, preemptirqsoff and wakeup keep the events of the longest latency
 * they have seen in a buffer of their own, which has no raw form: what can be kept is the text of
 * `trace`. The file is written beside its name and renamed, when the tracing is over.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/mem.h"
#include "record/session.h"

#define TEXT_BYTES (256u << 20)

bool record_is_latency(const char *tracer)
{
	static const char *const tracers[] = {"irqsoff", "preemptoff", "preemptirqsoff",
					      "wakeup",	 "wakeup_rt",  "wakeup_dl"};

	for (size_t i = 0; tracer && i < ARRAY_SIZE(tracers); i++) {
		if (!strcmp(tracer, tracers[i]))
			return true;
	}
	return false;
}

bool session_is_latency(const struct record_plan *plan)
{
	for (size_t i = 0; i < plan->nr_instances; i++) {
		if (record_is_latency(plan->instances[i]->tracer))
			return true;
	}
	return false;
}

static struct session_instance *the_one(const struct session *session)
{
	for (size_t i = 0; i < session->nr_instances; i++) {
		if (session->instances[i].open)
			return &session->instances[i];
	}
	return NULL;
}

int session_latency_prepare(struct session *session, struct err *err)
{
	struct session_instance *inst = the_one(session);
	size_t open = 0;

	for (size_t i = 0; i < session->nr_instances; i++)
		open += session->instances[i].open;
	if (open != 1)
		return err_set(err, -EINVAL,
			       "the tracer '%.32s' leaves a text, beside which a file can hold no "
			       "other instance; record the instances one by one",
			       inst->plan->tracer);
	if (session->plan->stream)
		return err_set(
			err, -EINVAL,
			"the tracer '%.32s' keeps only the longest latency, which is known at "
			"the end: sonde record -p %.32s, then sonde report",
			inst->plan->tracer, inst->plan->tracer);
	return 0;
}

int session_latency_begin(struct session *session, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < session->nr_instances && r == 0; i++) {
		struct session_instance *inst = &session->instances[i];

		if (inst->open && record_is_latency(inst->tracer))
			r = kernel_instance_write(&inst->kernel, "tracing_max_latency", "0",
						  "begin with a latency of 0", err);
	}
	return r;
}

static int put_in_writer(void *to, uint16_t id, const void *data, size_t len, struct err *err)
{
	return dat_writer_option(to, id, data, len, err);
}

static int write_all(struct session *session, struct dat_writer *writer, const char *text,
		     size_t len, struct err *err)
{
	const struct session_instance *inst = the_one(session);
	int r;

	session->metadata.dat.trace_clock = inst->clocks;
	r = dat_writer_metadata(writer, &session->metadata.dat, err);
	if (r == 0)
		r = session_store_options(session, put_in_writer, writer, err);
	if (r == 0)
		r = dat_writer_buffer_text(writer, "", inst->clock, text, len, err);
	return r;
}

static int write_file(struct session *session, const char *path, const char *text, size_t len,
		      struct err *err)
{
	const struct record_plan *plan = session->plan;
	const struct session_instance *inst = the_one(session);
	struct dat_write_options options = {
		.version = plan->version,
		.compression = plan->version == 6 ? DAT_NONE : plan->compression,
		.big_endian = HOST_BIG,
		.long_size = inst->kernel.long_size,
		.page_size = inst->kernel.page_size,
		.nr_cpus = session->fs->cpus,
	};
	struct dat_writer *writer;
	int r = dat_writer_open(&writer, path, &options, err);

	if (r < 0)
		return r;
	r = write_all(session, writer, text, len, err);
	if (r < 0) {
		dat_writer_abort(writer);
		return r;
	}
	return dat_writer_finish(writer, err);
}

/* An empty text is right, and yet not what one hopes for. */
static void say_when_nothing(struct session *session, const char *text)
{
	static const struct {
		const char *tracer, *measures;
	} of[] = {
		{"wakeup", "wake-ups of tasks with a higher priority than the running one"},
		{"wakeup_rt", "wake-ups of real-time tasks"},
		{"wakeup_dl", "wake-ups of deadline tasks"},
	};
	const char *tracer = the_one(session)->plan->tracer;

	if (strstr(text, " latency trace v"))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		if (!strcmp(tracer, of[i].tracer))
			session_say(session, RECORD_SAY_WARNING,
				    "the tracer '%s' has seen nothing: it measures %s", tracer,
				    of[i].measures);
	}
}

int session_latency_write(struct session *session, struct err *err)
{
	const struct session_instance *inst = the_one(session);
	const char *output = session->plan->output;
	_cleanup_free_ char *text = NULL, *cmdlines = NULL;
	_cleanup_out_ struct out temp = {0};
	size_t len;
	int r = kernel_metadata_read(&session->metadata, &inst->kernel, &session->events,
				     session->stored, err);

	if (r == 0)
		r = kernel_metadata_symbols(&session->metadata, session->fs, err);
	if (r == 0)
		r = tracefs_read(inst->kernel.path, "trace", "read the latency tracer's text",
				 TEXT_BYTES, &text, &len, err);
	if (r == 0)
		r = kernel_cmdlines(session->fs, &cmdlines, err);
	if (r < 0)
		return r;
	say_when_nothing(session, text);
	session->metadata.dat.cmdlines = (struct dat_text){cmdlines, strlen(cmdlines)};
	out_printf(&temp, "%s.sealing", output);
	if (temp.failed)
		return err_sys(err, -ENOMEM, "cannot write %s", output);
	r = write_file(session, out_cstr(&temp), text, len, err);
	if (r == 0) {
		r = io_rename(temp.buf, output);
		if (r < 0)
			err_sys(err, r, "%s: cannot be made", output);
	}
	if (r < 0 && io_unlink(temp.buf) < 0)
		return r;
	return r;
}
