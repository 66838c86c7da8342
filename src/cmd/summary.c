/* SPDX-License-Identifier: MIT */
#include "cmd/summary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "cmd/pager.h"
#include "report/comm.h"

enum {
	FLUSH_BYTES = 1 << 20
};

static int each_item(void *arg, const struct report_item *item)
{
	struct summary *summary = arg;
	void *table = summary->tables[item->source - summary->session.sources];

	return table ? summary->kind->item(table, item) : 0;
}

static size_t nr_tables(const struct summary *summary)
{
	size_t nr = 0;

	for (size_t i = 0; i < summary->session.nr_sources; i++)
		nr += summary->tables[i] != NULL;
	return nr;
}

int summary_make_tables(struct summary *summary, struct err *err)
{
	struct report_session *s = &summary->session;
	int r = 0;

	summary->tables = mem_calloc(s->nr_sources + 1, sizeof(*summary->tables));
	if (!summary->tables)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < s->nr_sources && r >= 0; i++)
		r = summary->kind->make(summary, &s->sources[i], &summary->tables[i], err);
	if (r >= 0 && !nr_tables(summary))
		return err_set(err, -ENODATA, "%s: no %s were recorded",
			       s->nr_inputs ? s->inputs[0]->path : "", summary->kind->wants);
	summary->with_buffer = nr_tables(summary) > 1;
	return r;
}

const char *summary_buffer_name(const struct summary *summary, const struct source *source,
				char *text, size_t size)
{
	const char *file = source->input->base_name;
	const char *instance =
		source->is_instance ? source->input->dat->buffers[source->buffer].name : "";

	if (summary->session.nr_inputs > 1)
		snprintf(text, size, "%s%s%s", file, *instance ? ": " : "", instance);
	else
		snprintf(text, size, "%s", *instance ? instance : "top");
	return text;
}

int summary_limit(const struct command *command, const char *text, uint64_t *ret_limit)
{
	return cmd_parse_u64(command, "--limit", text, 1, UINT64_MAX, ret_limit) ? 0 : CMD_USAGE;
}

const char *summary_comm(void *arg, int32_t pid)
{
	const struct input *input = arg;
	const char *name = event_db_comm(input->db, pid);

	return name ? name : comm_table_find(input->learned, pid);
}

int summary_sink_open(struct summary_sink *sink, const struct summary_output *output, bool pager,
		      struct err *err)
{
	int r;

	*sink = (struct summary_sink){
		.output = output,
		.fd = output->to_stderr ? STDERR_FILENO : STDOUT_FILENO,
	};
	if (!output->path) {
		if (pager && !output->to_stderr)
			pager_start();
		return 0;
	}
	r = outfile_begin(&sink->file, output->path, NULL, err);
	if (r < 0)
		return r;
	sink->fd = io_open(sink->file.temp, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (sink->fd < 0) {
		r = err_sys(err, sink->fd, "%s", output->path);
		outfile_drop(&sink->file);
		return r;
	}
	sink->is_file = true;
	return 0;
}

int summary_sink_write(struct summary_sink *sink, struct out *out, struct err *err)
{
	const struct summary_output *output = sink->output;
	int r;

	if (out->failed)
		return err_set(err, -ENOMEM, "out of memory");
	r = out->len ? io_write_full(sink->fd, out->buf, out->len) : 0;
	out_clear(out);
	return r < 0 ? err_sys(err, r, "cannot write to %s",
			       output->path	   ? output->path
			       : output->to_stderr ? "standard error"
						   : "standard output")
		     : 0;
}

int summary_sink_close(struct summary_sink *sink, int r, struct err *err)
{
	int closed;

	if (!sink->is_file) {
		pager_finish();
		return r;
	}
	closed = io_close(sink->fd);
	if (closed < 0 && r >= 0)
		r = err_sys(err, closed, "cannot write to %s", sink->output->path);
	if (r >= 0)
		return outfile_commit(&sink->file, err);
	outfile_drop(&sink->file);
	return r;
}

static int print_table(struct summary *summary, size_t index, struct out *out, struct err *err)
{
	char name[300];
	const char *buffer = NULL;

	if (summary->with_buffer)
		buffer = summary_buffer_name(summary, &summary->session.sources[index], name,
					     sizeof(name));
	if (buffer && summary->session.args.report.format == REPORT_TEXT)
		out_printf(out, "%s:\n", buffer);
	if (summary->session.args.report.format == REPORT_TEXT)
		summary->kind->heading(summary, out);
	if (summary->kind->print(summary, summary->tables[index], buffer, out) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	if (buffer && summary->session.args.report.format == REPORT_TEXT)
		out_char(out, '\n');
	return out->len >= FLUSH_BYTES ? summary_sink_write(&summary->sink, out, err) : 0;
}

static int print_tables(struct summary *summary, struct err *err)
{
	_cleanup_out_ struct out out = {0};
	int r = 0;

	if (summary->session.args.report.format != REPORT_TEXT)
		summary->kind->heading(summary, &out);
	for (size_t i = 0; i < summary->session.nr_sources && r >= 0; i++)
		if (summary->tables[i])
			r = print_table(summary, i, &out, err);
	return r < 0 ? r : summary_sink_write(&summary->sink, &out, err);
}

static int collect_tables(struct summary *summary, struct err *err)
{
	const struct report_session *s = &summary->session;
	int r = 0;

	for (size_t i = 0; i < s->nr_sources && r >= 0; i++)
		if (summary->tables[i])
			r = summary->kind->collect(summary, &s->sources[i], summary->tables[i]);
	return r < 0 ? err_set(err, -ENOMEM, "out of memory") : 0;
}

/* Tables to the output; a reader that went away is no failure. */
static int write_tables(struct summary *summary, struct err *err)
{
	int r = summary_sink_open(&summary->sink, summary->output, !summary->session.args.no_pager,
				  err);

	if (r >= 0)
		r = summary_sink_close(&summary->sink, print_tables(summary, err), err);
	return r == -EPIPE ? 0 : r;
}

int summary_take(struct summary *summary, struct err *err)
{
	return report_scan(summary->session.report, each_item, summary, err);
}

int summary_finish(struct summary *summary)
{
	struct report_session *s = &summary->session;
	struct err err = {0};
	int r = summary->kind->collect ? collect_tables(summary, &err)
				       : write_tables(summary, &err);

	if (r < 0)
		return cmd_fail(s->args.command, &err);
	if (!s->args.quiet)
		report_session_losses(s);
	return report_session_damage(s);
}

static int read_and_print(struct summary *summary)
{
	struct report_session *s = &summary->session;
	struct err err = {0};
	int r, status = report_session_range(s);

	if (status != CMD_OK)
		return status;
	s->calls = true;
	r = summary_make_tables(summary, &err);
	if (r >= 0)
		r = report_session_start(s, &err);
	if (r >= 0)
		r = report_session_report(s, &err);
	if (r >= 0)
		r = summary_take(summary, &err);
	return r < 0 ? cmd_fail(s->args.command, &err) : summary_finish(summary);
}

int summary_parse(struct summary *summary, const struct command *command, int argc, char **argv,
		  int (*own_option)(void *own, int id, const char *))
{
	static const struct summary_output standard;
	struct report_session *s = &summary->session;

	if (!summary->output)
		summary->output = &standard;
	s->args.own = own_option;
	s->args.own_arg = summary->own;
	return report_args_parse(&s->args, command, argc, argv);
}

void summary_done(struct summary *summary)
{
	struct report_session *s = &summary->session;

	for (size_t i = 0; summary->tables && i < s->nr_sources; i++)
		if (summary->tables[i])
			summary->kind->free(summary->tables[i]);
	mem_free(summary->tables);
	report_session_done(s);
}

int summary_run(const struct command *command, int argc, char **argv,
		const struct summary_kind *kind, int (*own_option)(void *own, int id, const char *),
		void *own, const struct summary_output *output)
{
	struct summary summary = {.kind = kind, .own = own, .output = output};
	struct err err = {0};
	int status = summary_parse(&summary, command, argc, argv, own_option);

	if (status == CMD_OK && report_session_open(&summary.session, &err) < 0)
		status = cmd_fail(command, &err);
	if (status == CMD_OK && summary.output->opened)
		summary.output->opened(summary.output->opened_arg);
	if (status == CMD_OK)
		status = read_and_print(&summary);
	summary_done(&summary);
	return status;
}
