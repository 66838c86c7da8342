/* SPDX-License-Identifier: MIT */
/*
 * `sonde doctor`: what this kernel can do, on one screen. Neighbours of one group that have the
 * same to say share a line; --verbose gives each its own, with who can change it and how.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/out.h"
#include "cmd/cmd.h"
#include "kernel/features.h"

#define NAME_WIDTH 22
#define TEXT_AT	   (5 + NAME_WIDTH + 1)

enum {
	OPT_JSON = 256,
};

static const struct cmd_option doctor_options[] = {
	{OPT_JSON, 0, "json", CMD_ARG_NONE, NULL,
	 "machine-readable: every feature with its name, state, reason, remedy and replacement",
	 NULL},
	{'v', 'v', "verbose", CMD_ARG_NONE, NULL,
	 "one paragraph a feature: the reason, who can change it and how, what Sonde does instead",
	 NULL},
	{0},
};

struct view {
	struct out out;
	const struct features *features;
	bool verbose, colour, marks;
	unsigned int width;
};

/* --- text --- */

static unsigned int screen_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 60)
		return MIN(size.ws_col, 140);
	return 120;
}

static bool locale_is_utf8(void)
{
	const char *locale = getenv("LC_ALL");

	if (!locale || !*locale)
		locale = getenv("LC_CTYPE");
	if (!locale || !*locale)
		locale = getenv("LANG");
	return locale && (strcasestr(locale, "utf-8") || strcasestr(locale, "utf8"));
}

static void put_mark(struct view *view, enum feature_state state)
{
	static const char *const words[] = {"?", "yes", "part", "no", "no"};
	static const char *const marks[] = {"?", "\u2713", "!", "\u2717", "\u2717"};
	static const char *const colours[] = {"\033[36m", "\033[32m", "\033[33m", "\033[31m",
					      "\033[31m"};
	const char *word = view->marks ? marks[state] : words[state];
	size_t width = view->marks ? 1 : strlen(word);

	if (view->colour)
		out_str(&view->out, colours[state]);
	out_str(&view->out, word);
	if (view->colour)
		out_lit(&view->out, "\033[0m");
	out_fill(&view->out, ' ', 5 - width);
}

/* The text from column `at`, broken between words, further lines indented to `indent`. */
static void put_wrapped(struct view *view, const char *text, size_t at, size_t indent)
{
	const char *blank = "";

	while (*text) {
		size_t n = strcspn(text, " ");

		if (at > indent && at + strlen(blank) + n > view->width) {
			out_char(&view->out, '\n');
			out_fill(&view->out, ' ', indent);
			at = indent;
			blank = "";
		}
		out_str(&view->out, blank);
		out_mem(&view->out, text, n);
		at += n + strlen(blank);
		blank = " ";
		text += n;
		text += strspn(text, " ");
	}
	out_char(&view->out, '\n');
}

/* Whether two neighbours can share a line. */
static bool alike(const struct feature *a, const struct feature *b)
{
	if (a->info->group != b->info->group || a->state != b->state || a->cause != b->cause)
		return false;
	if (a->state == FEATURE_OK)
		return !strcmp(a->detail, b->detail);
	if (a->instead != b->instead &&
	    (!a->instead || !b->instead || strcmp(a->instead, b->instead) != 0))
		return false;
	return (a->cause != FEATURE_CAUSE_OTHER && a->cause != FEATURE_CAUSE_NONE) ||
	       !strcmp(a->reason, b->reason);
}

/* The culprits of a line's features, each once. */
static void put_culprits(struct out *out, const struct feature *features, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		bool seen = false;

		for (size_t k = 0; k < i && !seen; k++)
			seen = !strcmp(features[k].culprit, features[i].culprit);
		if (!seen)
			out_printf(out, "%s%s", i ? ", " : "", features[i].culprit);
	}
}

static void put_why(struct out *out, const struct feature *f, size_t nr)
{
	switch (f->cause) {
	case FEATURE_CAUSE_CONFIG:
		out_lit(out, "without ");
		put_culprits(out, f, nr);
		break;
	case FEATURE_CAUSE_PROBABLY:
		out_lit(out, "probably without ");
		put_culprits(out, f, nr);
		break;
	case FEATURE_CAUSE_VERSION:
		out_lit(out, "since Linux ");
		put_culprits(out, f, nr);
		break;
	case FEATURE_CAUSE_POLICY:
		out_lit(out, "refused also to root: lockdown, or another policy");
		break;
	default:
		out_str(out, f->state == FEATURE_OK ? f->detail : f->reason);
	}
	if (f->instead)
		out_printf(out, "; instead: %s", f->instead);
}

static void put_line(struct view *view, const struct feature *f, size_t nr)
{
	_cleanup_out_ struct out names = {0}, why = {0};
	size_t at = TEXT_AT;

	for (size_t i = 0; i < nr; i++)
		out_printf(&names, "%s%s", i ? ", " : "", f[i].info->title);
	put_why(&why, f, nr);
	view->out.failed |= names.failed || why.failed;
	if (view->out.failed)
		return;
	put_mark(view, f->state);
	if (!why.len || names.len > NAME_WIDTH) {
		out_printf(&names, "%s%s", why.len ? ": " : "", out_cstr(&why));
		out_clear(&why);
		out_str(&why, out_cstr(&names));
		view->out.failed |= names.failed || why.failed;
		at = TEXT_AT - NAME_WIDTH - 1;
	} else {
		out_str_left(&view->out, out_cstr(&names), names.len, NAME_WIDTH + 1);
	}
	if (!view->out.failed)
		put_wrapped(view, out_cstr(&why), at, TEXT_AT);
}

static void put_paragraph(struct view *view, const char *label, const char *text)
{
	if (!text || !*text)
		return;
	out_fill(&view->out, ' ', TEXT_AT);
	out_str(&view->out, label);
	put_wrapped(view, text, TEXT_AT + strlen(label), TEXT_AT);
}

static void put_verbose(struct view *view, const struct feature *f)
{
	static const char *const who[FEATURE_FIX_NR] = {
		"",
		"root can change it: ",
		"who runs the container can change it: ",
		"who boots the machine can change it: ",
		"another kernel has it: ",
		"nobody can change it: ",
	};

	put_mark(view, f->state);
	out_str_left(&view->out, f->info->title, strlen(f->info->title), NAME_WIDTH);
	out_char(&view->out, ' ');
	put_wrapped(view,
		    f->reason[0]   ? f->reason
		    : f->detail[0] ? f->detail
				   : "works",
		    TEXT_AT, TEXT_AT);
	put_paragraph(view, who[f->fixer], f->fix);
	put_paragraph(view, "instead: ", f->instead);
}

static void put_group(struct view *view, size_t first, size_t end)
{
	static const char *const titles[FEATURES_NR] = {"Access", "Recording", "Tracers", "Probes",
							"In the kernel: triggers and summaries"};
	const struct feature *list = view->features->list;

	out_printf(&view->out, "\n%s%s%s\n", view->colour ? "\033[1m" : "",
		   titles[list[first].info->group], view->colour ? "\033[0m" : "");
	for (size_t i = first; i < end;) {
		size_t nr = 1;

		/* Parts of what is missing are no news. */
		if (!view->verbose && list[i].part_of != FEATURE_NONE) {
			i++;
			continue;
		}
		while (!view->verbose && i + nr < end && list[i + nr].part_of == FEATURE_NONE &&
		       alike(&list[i], &list[i + nr]))
			nr++;
		if (view->verbose)
			put_verbose(view, &list[i]);
		else
			put_line(view, &list[i], nr);
		i += nr;
	}
}

/* --- what would help --- */

/* Whether an earlier feature has the same remedy. */
static bool said_before(const struct features *features, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (features->list[k].fixer == features->list[i].fixer &&
		    !strcmp(features->list[k].fix, features->list[i].fix))
			return true;
	}
	return false;
}

static bool any_cause(const struct features *features, enum feature_cause cause)
{
	for (size_t i = 0; i < FEATURE_NR; i++) {
		if (features->list[i].cause == cause)
			return true;
	}
	return false;
}

static void put_fix(struct view *view, const char *who, const char *what)
{
	out_str_left(&view->out, who, strlen(who), TEXT_AT - 1);
	out_char(&view->out, ' ');
	put_wrapped(view, what, TEXT_AT, TEXT_AT);
}

static void put_fixes(struct view *view)
{
	static const char *const who[FEATURE_FIX_NR] = {
		"", "root can", "who runs the container can", "who boots the machine can", "", "",
	};
	const struct features *features = view->features;

	for (size_t i = 0; i < FEATURE_NR; i++) {
		const struct feature *f = &features->list[i];

		if (!who[f->fixer][0] || said_before(features, i))
			continue;
		put_fix(view, who[f->fixer], f->fix);
	}
	if (any_cause(features, FEATURE_CAUSE_CONFIG) ||
	    any_cause(features, FEATURE_CAUSE_PROBABLY))
		put_fix(view, "who builds the kernel can", "switch the CONFIG_ options on");
	if (any_cause(features, FEATURE_CAUSE_VERSION))
		put_fix(view, "a newer kernel has", "what says 'since Linux'");
}

static void put_verdict(struct view *view)
{
	static const enum feature_id needed[] = {FEATURE_TRACEFS, FEATURE_INSTANCES, FEATURE_EVENTS,
						 FEATURE_RAW};
	const struct features *features = view->features;

	if (features->records_events) {
		out_lit(&view->out, "\nEvents can be recorded: sonde record -e sched ls\n");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		const struct feature *f = &features->list[needed[i]];

		if (f->state == FEATURE_OK || (i == 0 && f->state == FEATURE_LIMITED))
			continue;
		out_printf(&view->out, "\nEvents cannot be recorded here: see '%s'\n",
			   f->info->title);
		return;
	}
}

static void put_text(struct view *view)
{
	const struct features *features = view->features;
	size_t first = 0;

	out_printf(&view->out, "Linux %s %s, %u CPU%s; its configuration: %s\n", features->release,
		   features->machine, features->cpus, features->cpus == 1 ? "" : "s",
		   features->config_path ? features->config_path
					 : "not to be found, so options are guessed");
	for (size_t i = 1; i <= FEATURE_NR; i++) {
		if (i < FEATURE_NR &&
		    features->list[i].info->group == features->list[first].info->group)
			continue;
		put_group(view, first, i);
		first = i;
	}
	if (!view->verbose) {
		size_t before = view->out.len;
		size_t heading;

		out_lit(&view->out, "\nWho can change what is missing (--verbose: line by line)\n");
		heading = view->out.len;
		put_fixes(view);
		if (view->out.len == heading)
			view->out.len = before;
	}
	put_verdict(view);
}

/* --- JSON --- */

static void put_string(struct out *out, const char *text)
{
	out_char(out, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			out_char(out, '\\');
		if (c < 0x20) {
			out_lit(out, "\\u00");
			out_hex_byte(out, c);
		} else {
			out_char(out, *text);
		}
	}
	out_char(out, '"');
}

static void put_member(struct out *out, const char *name, const char *text)
{
	out_printf(out, "\"%s\": ", name);
	if (text && *text)
		put_string(out, text);
	else
		out_lit(out, "null");
}

static void put_feature(struct out *out, const struct feature *f)
{
	out_lit(out, "    {");
	put_member(out, "name", f->info->name);
	out_lit(out, ", ");
	put_member(out, "group", feature_group_name(f->info->group));
	out_lit(out, ", ");
	put_member(out, "state", feature_state_name(f->state));
	out_lit(out, ", ");
	put_member(out, "detail", f->detail);
	out_lit(out, ", ");
	put_member(out, "reason", f->reason);
	out_lit(out, ", \"needs\": [");
	for (size_t i = 0; i < ARRAY_SIZE(f->info->config) && f->info->config[i]; i++) {
		out_str(out, i ? ", " : "");
		put_string(out, f->info->config[i]);
	}
	out_lit(out, "], ");
	put_member(out, "since", f->info->since);
	out_lit(out, ", ");
	put_member(out, "fixer", feature_fixer_name(f->fixer));
	out_lit(out, ", ");
	put_member(out, "fix", f->fix);
	out_lit(out, ", ");
	put_member(out, "instead", f->instead);
	out_lit(out, "}");
}

static void put_json(struct view *view)
{
	const struct features *features = view->features;
	struct out *out = &view->out;

	out_lit(out, "{\n  \"version\": 1,\n  ");
	put_member(out, "release", features->release);
	out_lit(out, ",\n  ");
	put_member(out, "machine", features->machine);
	out_printf(out, ",\n  \"cpus\": %u,\n  ", features->cpus);
	put_member(out, "tracefs", features->tracefs);
	out_lit(out, ",\n  ");
	put_member(out, "kernel_configuration", features->config_path);
	out_printf(out, ",\n  \"records_events\": %s,\n  \"features\": [\n",
		   features->records_events ? "true" : "false");
	for (size_t i = 0; i < FEATURE_NR; i++) {
		put_feature(out, &features->list[i]);
		out_str(out, i + 1 < FEATURE_NR ? ",\n" : "\n");
	}
	out_lit(out, "  ]\n}\n");
}

/* --- the command --- */

static int show(const struct command *command, struct view *view, bool json)
{
	bool worked = view->features->records_events;
	bool failed;

	if (json)
		put_json(view);
	else
		put_text(view);
	failed = view->out.failed;
	if (!failed)
		fwrite(view->out.buf, 1, view->out.len, stdout);
	out_done(&view->out);
	if (failed) {
		cmd_error(command, "not enough memory");
		return CMD_FAILED;
	}
	return worked ? CMD_OK : CMD_FAILED;
}

static int run_doctor(const struct command *command, int argc, char **argv)
{
	struct view view = {
		.colour = cmd_stdout_colour(),
		.width = screen_width(),
	};
	struct features_options options = {0};
	struct features *features;
	struct cmd_parser parser;
	struct err err = {0};
	bool json = false;
	int id, status;

	cmd_parser_init(&parser, command, argc, argv);
	while ((id = cmd_next(&parser)) > 0) {
		json |= id == OPT_JSON;
		view.verbose |= id == 'v';
	}
	if (id < 0)
		return CMD_USAGE;
	if (parser.first < argc)
		return cmd_usage(command, "takes no operand: '%.80s'", argv[parser.first]);
	view.marks = isatty(STDOUT_FILENO) && locale_is_utf8();
	if (features_probe(&features, &options, &err) < 0)
		return cmd_fail(command, &err);
	view.features = features;
	status = show(command, &view, json);
	features_free(features);
	return status;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.group = "system",
	.summary = "what this kernel can trace, what it cannot, why, and what helps",
	.synopsis = "[--json | --verbose]",
	.description =
		"Tries what this kernel, this machine and this user can do for tracing, and says "
		"for "
		"everything that is missing why (with the name of the kernel's configuration "
		"option), "
		"who can change that, and what Sonde does instead.\n"
		"\n"
		"  sonde doctor\n"
		"  sudo sonde doctor --verbose\n"
		"  sonde doctor --json | jq '.features[] | select(.state != \"ok\") | .name'\n"
		"\n"
		"It goes by what works when tried, never by the kernel's version. An instance and "
		"probes of its own are made for that and removed; no tracer is started, nobody "
		"else's "
		"tracing is disturbed, and nothing is left behind. Without root it says what root "
		"would be needed for.\n"
		"\n"
		"yes: works. part: works, not in full. no: this kernel does not have it, or "
		"refuses "
		"it. ?: could not be tried.\n"
		"\n"
		"The status is 0 when events can be recorded, else 1. In --json the names, the "
		"states "
		"(ok, limited, missing, refused, unknown) and the fixers (root, host, boot, "
		"kernel, "
		"nobody) stay as they are; texts may change.",
	.options = doctor_options,
	.run = run_doctor,
};
