/* SPDX-License-Identifier: MIT */
#include "cmd/hist_words.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/hist_triggers.h"
#include "cmd/summary.h"

static int take_select(struct hist_words *args, struct hist_wanted *wanted, const char *word)
{
	struct err err;

	if (sql_new(&wanted->sql, word, &err) < 0) {
		cmd_fail(args->command, &err);
		return CMD_USAGE;
	}
	wanted->name = args->name ? args->name : HIST_SELECT_NAME;
	args->joins |= sql_event(wanted->sql, 1) != NULL;
	args->name = NULL;
	return 0;
}

static int begin_trigger(struct hist_words *args, const char *word)
{
	struct hist_wanted *last = args->nr_wanted ? &args->wanted[args->nr_wanted - 1] : NULL;

	if (last && !last->event && !last->sql)
		return cmd_usage(args->command,
				 "'%s' is for no event: SYSTEM:EVENT goes "
				 "behind it",
				 out_cstr(&last->text));
	if (array_reserve(&args->wanted, &args->cap_wanted, args->nr_wanted + 1,
			  sizeof(*args->wanted)) < 0)
		return -ENOMEM;
	last = &args->wanted[args->nr_wanted++];
	*last = (struct hist_wanted){0};
	args->in_filter = false;
	if (sql_is(word))
		return take_select(args, last, word);
	out_str(&last->text, word);
	return 0;
}

/* The next word of the triggers. */
static int take_word(struct hist_words *args, const char *word)
{
	struct hist_wanted *last = args->nr_wanted ? &args->wanted[args->nr_wanted - 1] : NULL;

	if (strncmp(word, "hist:", 5) == 0 || sql_is(word))
		return begin_trigger(args, word);
	if (last && last->sql)
		return cmd_usage(
			args->command,
			"'%s': behind a SELECT, which is one word, may come the next one or "
			"'hist:...'",
			word);
	if (!last)
		return cmd_usage(args->command, "'%s': a histogram begins with 'hist:keys=...'",
				 word);
	if (!last->event) {
		last->event = word;
		return 0;
	}
	args->in_filter |= strcmp(word, "if") == 0 || strncmp(word, "if ", 3) == 0;
	if (!args->in_filter)
		return cmd_usage(args->command,
				 "'%s': behind the event may come 'if FILTER' or the next "
				 "'hist:...'",
				 word);
	out_char(&last->text, ' ');
	out_str(&last->text, word);
	return 0;
}

int hist_words_option(void *own, int id, const char *text)
{
	struct hist_words *args = own;

	switch (id) {
	case CMD_OPERAND:
		return take_word(args, text);
	case 's':
		return words_push(&args->synthetics, text);
	case 'n':
		args->name = text;
		return 0;
	case HIST_OPT_TRANSLATE:
		args->translate = true;
		return 0;
	case REPORT_OPT_STRICT:
		args->strict = true;
		return REPORT_NOT_OWN; /* of filters beside it, too */
	case 'o':
		args->events = text;
		return 0;
	case HIST_OPT_ONLY:
		args->only = text;
		return 0;
	case HIST_OPT_LIMIT:
		return summary_limit(args->command, text, &args->limit);
	default:
		return REPORT_NOT_OWN;
	}
}

void hist_words_done(struct hist_words *words)
{
	for (size_t i = 0; i < words->nr_wanted; i++) {
		out_done(&words->wanted[i].text);
		sql_free(words->wanted[i].sql);
	}
	mem_free(words->wanted);
	words_done(&words->synthetics);
}
