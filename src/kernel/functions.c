/* SPDX-License-Identifier: MIT */
#include "kernel/functions.h"

#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"
#include "kernel/borrow.h"

#define LIST_BYTES  (256u << 20)
#define NAMES_MAX   200 /* from here on numbers: each name costs the kernel a search */
#define WHAT_CHOOSE "choose functions"

/* A line of available_filter_functions: "NAME" or "NAME [MODULE]", without its end. */
struct function_line {
	char name[LIMIT_STRING_BYTES];
	const char *module; /* behind the '[', or NULL */
	size_t module_len;
};

struct matcher {
	const char *pattern, *module;
	bool is_regex;
	regex_t regex;
};

bool kernel_functions_is_list(const char *name)
{
	static const char *const lists[] = {"set_ftrace_filter", "set_ftrace_notrace",
					    "set_graph_function", "set_graph_notrace"};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (!strcmp(lists[i], name))
			return true;
	}
	return false;
}

static bool is_regex(const char *pattern)
{
	size_t len = strlen(pattern);

	return pattern[0] == '^' || (len && pattern[len - 1] == '$');
}

static bool split_line(const char *text, size_t len, struct function_line *ret_line)
{
	size_t word = 0;

	while (word < len && text[word] != ' ' && text[word] != '\t')
		word++;
	if (!word || word >= sizeof(ret_line->name))
		return false;
	memcpy(ret_line->name, text, word);
	ret_line->name[word] = '\0';
	ret_line->module = memchr(text, '[', len);
	ret_line->module_len = 0;
	if (ret_line->module) {
		const char *close;

		ret_line->module++;
		close = memchr(ret_line->module, ']', len - (size_t)(ret_line->module - text));
		ret_line->module_len = close ? (size_t)(close - ret_line->module) : 0;
	}
	return true;
}

static bool matches(const struct matcher *matcher, const struct function_line *line)
{
	char module[LIMIT_STRING_BYTES];

	if (matcher->module) {
		if (!line->module || line->module_len >= sizeof(module))
			return false;
		memcpy(module, line->module, line->module_len);
		module[line->module_len] = '\0';
		if (fnmatch(matcher->module, module, 0) != 0)
			return false;
	}
	if (matcher->is_regex)
		return regexec(&matcher->regex, line->name, 0, NULL, 0) == 0;
	return fnmatch(matcher->pattern, line->name, 0) == 0;
}

/* What the matcher names, as words: names, or numbers of lines where the file takes them. */
static size_t expand(const struct matcher *matcher, const char *functions, bool numbers,
		     struct out *words)
{
	struct function_line line;
	size_t nr = 0, number = 0;

	while (*functions) {
		size_t len = strcspn(functions, "\n");

		number++;
		if (split_line(functions, len, &line) && matches(matcher, &line)) {
			nr++;
			if (numbers)
				out_u64(words, number);
			else
				out_str(words, line.name);
			out_char(words, '\n');
		}
		functions += len + (functions[len] != '\0');
	}
	return nr;
}

static int names_nothing(const char *pattern, const char *module, struct err *err)
{
	return err_set(
		err, -EINVAL,
		"no function that this kernel can trace matches '%.100s'%s%.60s%s (sonde list "
		"-f shows them; what the compiler has inlined is not among them)",
		pattern, module ? " in the module '" : "", module ? module : "", module ? "'" : "");
}

/* A pattern that the kernel does not understand itself. */
static int choose_expanded(struct kernel_instance *inst, const char *file, struct matcher *matcher,
			   struct err *err)
{
	bool takes_numbers = strncmp(file, "set_ftrace", 10) == 0;
	_cleanup_free_ char *functions = NULL;
	_cleanup_out_ struct out names = {0}, numbers = {0};
	size_t nr;
	int r = tracefs_read(inst->fs->path, "available_filter_functions", "list the functions",
			     LIST_BYTES, &functions, NULL, err);

	if (r < 0)
		return r;
	nr = expand(matcher, functions, false, &names);
	if (!nr)
		return names_nothing(matcher->pattern, matcher->module, err);
	if (takes_numbers && nr > NAMES_MAX)
		expand(matcher, functions, true, &numbers);
	if (names.failed || numbers.failed)
		return err_sys(err, -ENOMEM, "cannot " WHAT_CHOOSE);
	/* Kernels before 5.1 take no numbers, and then nothing of the list. */
	if (numbers.len &&
	    tracefs_append(inst->path, file, out_cstr(&numbers), WHAT_CHOOSE, err) == 0)
		return 0;
	return tracefs_append(inst->path, file, out_cstr(&names), WHAT_CHOOSE, err);
}

static int choose_regex(struct kernel_instance *inst, const char *file, const char *pattern,
			const char *module, struct err *err)
{
	struct matcher matcher = {.pattern = pattern, .module = module, .is_regex = true};
	int r = regcomp(&matcher.regex, pattern, REG_ICASE | REG_NOSUB);
	char reason[100];

	if (r) {
		regerror(r, &matcher.regex, reason, sizeof(reason));
		return err_set(err, -EINVAL, "'%.100s' is no regular expression: %s", pattern,
			       reason);
	}
	r = choose_expanded(inst, file, &matcher, err);
	regfree(&matcher.regex);
	return r;
}

/* The kernel's own globs; a module is a suffix, but only in set_ftrace_*. */
static int choose_glob(struct kernel_instance *inst, const char *file, const char *pattern,
		       const char *module, struct err *err)
{
	struct matcher matcher = {.pattern = pattern, .module = module};
	_cleanup_out_ struct out word = {0};
	int r;

	if (module && strncmp(file, "set_ftrace", 10) != 0)
		return choose_expanded(inst, file, &matcher, err);
	out_str(&word, pattern);
	if (module)
		out_printf(&word, ":mod:%s", module);
	out_char(&word, '\n');
	if (word.failed)
		return err_sys(err, -ENOMEM, "cannot " WHAT_CHOOSE);
	r = tracefs_append(inst->path, file, out_cstr(&word), WHAT_CHOOSE, err);
	return r == -EINVAL ? names_nothing(pattern, module, err) : r;
}

int kernel_functions_choose(struct kernel_instance *inst, const char *file,
			    const char *const *patterns, size_t nr, const char *module,
			    struct err *err)
{
	int r = kernel_instance_write(inst, file, "", WHAT_CHOOSE, err);

	for (size_t i = 0; i < nr && r == 0; i++) {
		if (is_regex(patterns[i]))
			r = choose_regex(inst, file, patterns[i], module, err);
		else
			r = choose_glob(inst, file, patterns[i], module, err);
	}
	return r;
}

int kernel_functions_switch(struct kernel_journal *journal, bool on, struct err *err)
{
	return kernel_borrow_write(
		journal, "/proc/sys/kernel", "ftrace_enabled", on ? "1" : "0",
		on ? "switch function tracing on" : "switch function tracing off", err);
}

int kernel_functions_command(struct kernel_instance *inst, const char *command, struct err *err)
{
	_cleanup_out_ struct out line = {0}, undo = {0};
	char what[200];
	int r;

	/* The end of the line makes the kernel look at it at once, while it can still refuse. */
	out_printf(&line, "%s\n", command);
	out_printf(&undo, "!%s\n", command);
	if (undo.failed || line.failed)
		return err_sys(err, -ENOMEM, "cannot set a function command");
	snprintf(what, sizeof(what), "set the function command '%.100s'", command);
	r = kernel_instance_add(inst, "set_ftrace_filter", out_cstr(&line), out_cstr(&undo), what,
				err);
	if (r == -EINVAL)
		return err_set(err, r,
			       "the kernel does not accept the function command '%.100s': it is "
			       "FUNCTION:traceon, traceoff, snapshot, stacktrace, dump, cpudump, "
			       "enable_event:SYSTEM:EVENT or disable_event:SYSTEM:EVENT, with "
			       ":COUNT behind it if wanted, and the function must be one it can "
			       "trace (sonde list -f)",
			       command);
	return r;
}
