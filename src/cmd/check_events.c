/* SPDX-License-Identifier: MIT */
/* `sonde check-events`: does Sonde understand every event format of this kernel? */
#include <stdio.h>

#include "cmd/cmd.h"
#include "event/event.h"
#include "kernel/events.h"
#include "kernel/metadata.h"

static const struct cmd_option check_options[] = {
	{'N', 'N', NULL, CMD_ARG_NONE, NULL, "without the built-in handlers of single events",
	 NULL},
	{0},
};

struct check {
	struct event_db *db;
	unsigned int nr, bad;
};

static int check_one(void *ctx, const char *system, const char *name, const char *text, size_t len)
{
	struct check *check = ctx;
	const struct event *event;
	struct err err = {0};

	check->nr++;
	if (event_db_add_format(check->db, system, text, len, &err) < 0) {
		check->bad++;
		printf("%s:%s: %s\n", system, name, err.text);
		return 0;
	}
	event = event_db_by_name(check->db, system, name);
	if (event && event->parse_error) {
		check->bad++;
		printf("%s:%s: %s\n", system, name, event->parse_error);
	}
	return 0;
}

static int check_all(const struct command *command, struct check *check)
{
	struct kernel_events events = {0};
	struct tracefs *fs = NULL;
	struct err err = {0};
	int r = tracefs_open(&fs, NULL, &err);

	if (r == 0)
		r = kernel_events_load(&events, fs, &err);
	if (r == 0)
		r = kernel_formats(fs, &events, check_one, check, &err);
	kernel_events_done(&events);
	tracefs_close(fs);
	if (r < 0)
		return cmd_fail(command, &err);
	printf("%u event formats, %u not understood\n", check->nr, check->bad);
	return check->bad ? CMD_FAILED : CMD_OK;
}

static int run_check_events(const struct command *command, int argc, char **argv)
{
	struct event_db_options options = {
		.big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__,
		.long_size = sizeof(long),
	};
	struct check check = {0};
	struct cmd_parser parser;
	int id, status;

	cmd_parser_init(&parser, command, argc, argv);
	while ((id = cmd_next(&parser)) > 0)
		options.no_handlers = true;
	if (id < 0)
		return CMD_USAGE;
	if (parser.first < argc)
		return cmd_usage(command, "takes no operand: '%.80s'", argv[parser.first]);
	if (event_db_new(&check.db, &options) < 0) {
		cmd_error(command, "not enough memory");
		return CMD_FAILED;
	}
	status = check_all(command, &check);
	event_db_free(check.db);
	return status;
}

const struct command cmd_check_events = {
	.name = "check-events",
	.group = "system",
	.summary = "check that all event formats of this kernel are understood",
	.synopsis = "[-N]",
	.description =
		"Reads the format of every event this kernel offers and names those whose text "
		"Sonde "
		"cannot understand; such an event is recorded all the same, and shown by its raw "
		"fields. The status is 0 when there is none.",
	.options = check_options,
	.needs = CMD_NEEDS_TRACEFS,
	.run = run_check_events,
};
