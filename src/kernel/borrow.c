/* SPDX-License-Identifier: MIT */
#include "kernel/borrow.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/tracefs.h"

#define VALUE_BYTES (16u << 20)

/* Lists of functions, a name a line, emptied by opening. */
static bool is_function_list(const char *name)
{
	static const char *const files[] = {
		"set_ftrace_filter",
		"set_ftrace_notrace",
		"set_graph_function",
		"set_graph_notrace",
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (!strcmp(files[i], name))
			return true;
	}
	return false;
}

/*
 * Names only, in place. "#### all functions enabled ####" stands for an empty list, a module
 * follows its function in brackets, and function commands ("f:traceoff:unlimited") are not in the
 * list that opening empties.
 */
static void keep_names(char *text)
{
	char *to = text;

	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n"), name = strcspn(line, " \t\n");
		const char *next = line + len + (line[len] == '\n');

		if (*line != '#' && name && !memchr(line, ':', len)) {
			memmove(to, line, name);
			to += name;
			*to++ = '\n';
		}
		line = next;
	}
	*to = '\0';
}

/* "7 (expanded: 1408)": it will have the larger size as soon as anything uses it; nor can it
 * be made unexpanded again. */
static char *buffer_size(char *text)
{
	char *expanded = strstr(text, "(expanded: ");

	text = expanded ? expanded + strlen("(expanded: ") : text;
	text[strspn(text, "0123456789")] = '\0';
	return text;
}

/* The one in brackets of a list of words. */
static char *chosen(char *text, const char *otherwise)
{
	char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;

	if (!close) {
		strcpy(text, otherwise);
		return text;
	}
	*close = '\0';
	return open + 1;
}

/* What must be written to get back the state that reading `name` showed as `old`. Cut in place. */
static char *value(const char *name, char *old)
{
	if (!strcmp(name, "trace_clock"))
		return chosen(old, "local");
	if (!strcmp(name, "mode")) /* of hwlat_detector */
		return chosen(old, "round-robin");
	if (!strcmp(name, "filter")) {
		if (!strncmp(old, "none", 4) || strstr(old, "parse_error:"))
			strcpy(old, "0");
		return old;
	}
	if (!strcmp(name, "enable")) {
		old[1] = '\0';
		old[0] = old[0] == '1' ? '1' : '0';
		return old;
	}
	if (!strcmp(name, "buffer_size_kb"))
		return buffer_size(old);
	if (!strncmp(old, "no pid", 6))
		*old = '\0';
	return old;
}

int kernel_borrow(struct kernel_journal *journal, const char *dir, const char *file,
		  const char *what, struct err *err)
{
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
	_cleanup_free_ char *text = NULL, *old = NULL;
	int r = tracefs_read(dir, file, what, VALUE_BYTES, &text, NULL, err);

	if (r < 0)
		return r;
	if (is_function_list(name)) {
		keep_names(text);
		return kernel_journal_push(journal, KERNEL_UNDO_LINES, dir, file, text, err);
	}
	/* Room for the short values that stand for an empty file. */
	old = mem_alloc(strlen(text) + sizeof("local"));
	if (!old)
		return err_sys(err, -ENOMEM, "cannot %s", what);
	strcpy(old, text);
	return kernel_journal_push(journal, KERNEL_UNDO_WRITE, dir, file, value(name, old), err);
}

int kernel_borrow_write(struct kernel_journal *journal, const char *dir, const char *file,
			const char *text, const char *what, struct err *err)
{
	int r = kernel_borrow(journal, dir, file, what, err);

	return r < 0 ? r : tracefs_write(dir, file, text, what, err);
}
