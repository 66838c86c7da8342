/* SPDX-License-Identifier: MIT */
#include "cmd/words.h"

#include <stdio.h>

#include "base/mem.h"

int words_push(struct words *list, const char *word)
{
	int r = array_reserve(&list->words, &list->cap, list->nr + 2, sizeof(*list->words));

	if (r < 0)
		return r;
	list->words[list->nr++] = word;
	list->words[list->nr] = NULL;
	return 0;
}

int words_option(struct words *list, const char *option, const char *arg)
{
	int r = words_push(list, option);

	return r == 0 && arg ? words_push(list, arg) : r;
}

const char *words_option_text(struct words *texts, const struct command *command, int id,
			      const char **arg)
{
	const struct cmd_option *o = cmd_options(command);
	char text[128];
	char *copy;

	while (o->id && o->id != id)
		o++;
	if (o->letter)
		snprintf(text, sizeof(text), "-%c", o->letter);
	else
		snprintf(text, sizeof(text), "--%.40s", o->name ? o->name : "");
	if (o->arg == CMD_ARG_OPTIONAL && *arg) {
		snprintf(text, sizeof(text), "--%.40s=%.80s", o->name, *arg);
		*arg = NULL;
	}
	copy = mem_strdup(text);
	if (copy && words_push(texts, copy) == 0)
		return copy;
	mem_free(copy);
	return NULL;
}

void words_done(struct words *list)
{
	mem_free(list->words);
	*list = (struct words){0};
}

void words_done_texts(struct words *texts)
{
	for (size_t i = 0; i < texts->nr; i++)
		mem_free((void *)(uintptr_t)texts->words[i]);
	words_done(texts);
}
