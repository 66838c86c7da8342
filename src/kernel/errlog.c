/* SPDX-License-Identifier: MIT */
#include "kernel/errlog.h"

#include <stddef.h>
#include <string.h>

#define COMMAND "\n  Command: "

/* The next entry behind `p`, or NULL: "[ time] LOCATION: error: MESSAGE\n  Command: TEXT\n   ^\n".
 */
static char *next_entry(char *p)
{
	char *found = strstr(p, "\n[");

	return found ? found + 1 : NULL;
}

static bool is_about(const char *entry, const char *command)
{
	const char *text = strstr(entry, COMMAND);
	size_t len = command ? strlen(command) : 0;

	if (!text)
		return false;
	text += sizeof(COMMAND) - 1;
	return !command || (!strncmp(text, command, len) && text[len] == '\n');
}

bool kernel_errlog_find(char *log, const char *command, char **ret_message, char **ret_command,
			int *ret_caret)
{
	char *entry = NULL, *message, *text, *end, *caret;

	for (char *p = strchr(log, '['); p; p = next_entry(p)) {
		if (is_about(p, command))
			entry = p;
	}
	message = entry ? strstr(entry, "error: ") : NULL;
	text = message ? strstr(message, COMMAND) : NULL;
	if (!text)
		return false;
	*text = '\0';
	/* "event filter parse error: error: Field not found": the last one is the message. */
	for (char *next; (next = strstr(message, "error: "));)
		message = next + 7;
	text += sizeof(COMMAND) - 1;
	end = strchr(text, '\n');
	caret = end ? strchr(end, '^') : NULL;
	if (!caret)
		return false;
	*end = '\0';
	*ret_message = message;
	*ret_command = text;
	*ret_caret = (int)(caret - end - 1) - (int)(sizeof(COMMAND) - 2);
	return true;
}
