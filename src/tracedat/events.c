/* SPDX-License-Identifier: MIT */
/* From a file's metadata to an event_db. */
#include <errno.h>

#include "tracedat/internal.h"

/* A format that cannot be read costs its own event only. */
static int add_formats(struct event_db *db, const struct dat_format *formats, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct err ignored = {0};
		int r = event_db_add_format(db, formats[i].system, formats[i].text, formats[i].len,
					    &ignored);

		if (r == -ENOMEM)
			return r;
	}
	return 0;
}

int dat_add_symbols(const struct dat *dat, unsigned int flags, struct event_db *db)
{
	struct symbols *symbols;
	int r = symbols_new(&symbols);

	if (r < 0)
		return r;
	if (flags & DAT_TRACE_CMD_NAMES)
		symbols_as_trace_cmd(symbols);
	if (dat->kallsyms.data)
		r = symbols_add_kallsyms(symbols, dat->kallsyms.data, dat->kallsyms.len);
	if (r == 0)
		r = symbols_seal(symbols);
	if (r < 0)
		symbols_free(symbols);
	else
		event_db_set_symbols(db, symbols);
	return r;
}

static int fill(struct event_db *db, const struct dat *dat, unsigned int flags)
{
	int r = add_formats(db, dat->ftrace_formats, dat->nr_ftrace_formats);

	if (r == 0)
		r = add_formats(db, dat->formats, dat->nr_formats);
	if (r == 0 && dat->printk.data)
		r = event_db_add_printk(db, dat->printk.data, dat->printk.len);
	if (r == 0 && dat->cmdlines.data)
		r = event_db_add_cmdlines(db, dat->cmdlines.data, dat->cmdlines.len);
	if (r == 0)
		r = dat_add_symbols(dat, flags, db);
	return r < 0 ? r : event_db_seal(db);
}

int dat_events(struct dat *dat, unsigned int flags, struct event_db **ret_db, struct err *err)
{
	struct event_db_options options = {
		.big_endian = dat->big_endian,
		.long_size = dat->long_size,
		.no_handlers = flags & DAT_NO_HANDLERS,
	};
	struct event_db *db;
	int r = dat_load_symbols(dat, err);

	if (r < 0)
		return r;
	r = event_db_new(&db, &options);
	if (r < 0)
		return err_sys(err, r, "%s: events", dat->path);
	r = fill(db, dat, flags);
	if (r < 0) {
		event_db_free(db);
		return err_sys(err, r, "%s: events", dat->path);
	}
	*ret_db = db;
	return 0;
}
