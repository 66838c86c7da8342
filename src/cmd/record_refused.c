/* SPDX-License-Identifier: MIT */
/*
 * Options of trace-cmd that sonde understands and does not have here: each with what to do
 * instead, so that nobody has to look for it.
 */
#include "base/mem.h"
#include "cmd/record_args.h"

#define NETWORK                                                                                    \
	"sonde record writes files only; write onto a mounted file system (-o), or copy the file " \
	"afterwards"
#define GUESTS                                                                                     \
	"sonde does not reach into guests; run sonde record inside the guest too (both with -C "   \
	"x86-tsc or --date) and show both files: sonde report -i host.dat -i guest.dat"
#define NO_PROFILE "makes no profile; sonde profile does, and sonde record --profile"
#define SHOWING                                                                                    \
	"it is how a profile is shown: give it to sonde report --profile, or use sonde profile"
#define ALWAYS	"sonde says everything that matters by itself; -q makes it say less"
#define NO_FILE "writes no file; sonde record does, and sonde extract afterwards"
#define NO_READ "does not read the buffers; sonde record, stream or extract do"

static const struct {
	int id;
	const char *option, *text;
} elsewhere[] = {
	{'N', "-N", NETWORK},
	{'t', "-t", NETWORK},
	{'V', "-V", NETWORK},
	{'A', "-A", GUESTS},
	{OPT_PROXY, "--proxy", GUESTS},
	{OPT_NAME, "--name", GUESTS},
	{OPT_TSYNC_INTERVAL, "--tsync-interval", GUESTS},
	{'G', "-G", SHOWING},
	{OPT_BY_COMM, "--by-comm", SHOWING},
	{OPT_DEBUG, "--debug", ALWAYS},
	{OPT_NOTIMEOUT, "--notimeout", GUESTS},
};

static const struct {
	int id;
	const char *option, *text;
	bool only_without_reader; /* stream takes it */
} unsuitable[] = {
	{'o', "-o", NO_FILE, false},
	{'m', "-m", NO_FILE, false},
	{OPT_TEMP, "--temp", NO_FILE, false},
	{OPT_FILE_VERSION, "--file-version", NO_FILE, false},
	{OPT_COMPRESSION, "--compression", NO_FILE, false},
	{OPT_PROC_MAP, "--proc-map", NO_FILE, false},
	{OPT_DAEMONIZE, "--daemonize", NO_FILE, false},
	{'a', "-a", NO_FILE, false},
	{'s', "-s", NO_READ, true},
	{'r', "-r", NO_READ, true},
	{OPT_POLL, "--poll", NO_READ, true},
	{OPT_DATE, "--date", NO_READ, true},
	{OPT_TSC2NSEC, "--tsc2nsec", NO_READ, true},
	{OPT_TS_OFFSET, "--ts-offset", NO_READ, true},
	{OPT_NO_FILTER, "--no-filter", NO_READ, true},
	{'H', "-H", NO_PROFILE, false},
	{'S', "-S", NO_PROFILE, false},
	{OPT_PROFILE, "--profile", NO_PROFILE, false},
};

bool record_args_refused(const struct record_args *args, int id)
{
	bool reads = args->mode == RECORD_MODE_STREAM;

	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++) {
		if (elsewhere[i].id == id) {
			cmd_usage(args->command, "%s: %s", elsewhere[i].option, elsewhere[i].text);
			return true;
		}
	}
	for (size_t i = 0; args->mode != RECORD_MODE_RECORD && i < ARRAY_SIZE(unsuitable); i++) {
		if (unsuitable[i].id == id && !(reads && unsuitable[i].only_without_reader)) {
			cmd_usage(args->command, "%s: sonde %s %s", unsuitable[i].option,
				  args->command->name, unsuitable[i].text);
			return true;
		}
	}
	return false;
}
