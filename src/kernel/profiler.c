/* SPDX-License-Identifier: MIT */
#include "kernel/profiler.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/borrow.h"
#include "kernel/features.h"
#include "kernel/functions.h"
#include "kernel/instance.h"

#define SWITCH	    "function_profile_enabled"
#define TABLE_BYTES (256u << 20)

struct kernel_profiler {
	const struct tracefs *fs;
	struct kernel_journal *journal;
	struct kernel_instance top;
	bool top_open;
};

bool kernel_profiler_exists(const struct tracefs *fs)
{
	return tracefs_exists(fs->path, SWITCH);
}

static int check_free(const struct tracefs *fs, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char why[300];
	int r;

	if (!kernel_profiler_exists(fs)) {
		feature_why_missing(feature_info(FEATURE_PROFILER), why, sizeof(why));
		return err_set(err, -ENOENT, "this kernel has no function profiler: %s", why);
	}
	r = tracefs_read(fs->path, SWITCH, "use the function profiler", 64, &text, NULL, err);
	if (r == 0 && text[0] == '1')
		return err_set(err, -EBUSY,
			       "the function profiler is in use: %s/" SWITCH
			       " is 1; there is one for the machine (sonde restore ends what a "
			       "killed sonde left)",
			       fs->path);
	return r;
}

static int choose(struct kernel_profiler *profiler, const struct kernel_profiler_choice *choice,
		  struct err *err)
{
	int r = kernel_instance_globals(&profiler->top, profiler->fs, profiler->journal, err);

	if (r < 0)
		return r;
	profiler->top_open = true;
	/* An empty list means all functions, also when somebody else has left names in it. */
	r = kernel_functions_choose(&profiler->top, "set_ftrace_filter", choice->functions,
				    choice->nr_functions, choice->module, err);
	if (r == 0)
		r = kernel_functions_choose(&profiler->top, "set_ftrace_notrace",
					    choice->no_functions, choice->nr_no_functions, NULL,
					    err);
	return r;
}

int kernel_profiler_open(struct kernel_profiler **ret_profiler, const struct tracefs *fs,
			 const struct kernel_profiler_choice *choice, struct err *err)
{
	struct kernel_profiler *profiler;
	int r = check_free(fs, err);

	if (r < 0)
		return r;
	profiler = mem_zalloc(sizeof(*profiler));
	if (!profiler)
		return err_set(err, -ENOMEM, "out of memory");
	profiler->fs = fs;
	r = kernel_journal_open(&profiler->journal, fs->state, NULL, err);
	if (r == 0)
		r = choose(profiler, choice, err);
	if (r < 0) {
		kernel_profiler_close(profiler, NULL);
		return r;
	}
	*ret_profiler = profiler;
	return 0;
}

int kernel_profiler_start(struct kernel_profiler *profiler, struct err *err)
{
	return kernel_borrow_write(profiler->journal, profiler->fs->path, SWITCH, "1",
				   "start the function profiler", err);
}

int kernel_profiler_stop(struct kernel_profiler *profiler, struct err *err)
{
	return tracefs_write(profiler->fs->path, SWITCH, "0", "stop the function profiler", err);
}

int kernel_profiler_close(struct kernel_profiler *profiler, struct err *err)
{
	int r = 0, closed;

	if (!profiler)
		return 0;
	if (profiler->top_open)
		r = kernel_instance_close(&profiler->top, err);
	closed = kernel_journal_close(profiler->journal, r < 0 ? NULL : err);
	mem_free(profiler);
	return r < 0 ? r : closed;
}

/* --- tables --- */

/* "5012.345 us": thousandths of the unit. */
static bool parse_thousandths(const char **text, const char *end, uint64_t *ret_value)
{
	const char *p = *text;
	uint64_t value = 0;
	int digits = -1; /* behind the point; -1 before it */

	while (p < end && *p == ' ')
		p++;
	if (p == end || *p < '0' || *p > '9')
		return false;
	for (; p < end && ((*p >= '0' && *p <= '9') || (*p == '.' && digits < 0)); p++) {
		if (*p == '.') {
			digits = 0;
			continue;
		}
		if (digits >= 3)
			continue;
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return false;
		digits += digits >= 0;
	}
	for (digits = MAX(digits, 0); digits < 3; digits++)
		if (__builtin_mul_overflow(value, 10u, &value))
			return false;
	while (p < end && *p == ' ')
		p++;
	if (end - p >= 2 && !memcmp(p, "us", 2))
		p += 2;
	*text = p;
	*ret_value = value;
	return true;
}

bool kernel_profiler_parse(const char *text, size_t len, struct kernel_profiler_line *ret_line)
{
	const char *p = text, *end = text + len, *name;
	struct kernel_profiler_line line = {0};
	uint64_t hits, average, s2;

	while (p < end && *p == ' ')
		p++;
	for (name = p; p < end && *p != ' ';)
		p++;
	line.name = name;
	line.name_len = (size_t)(p - name);
	if (!line.name_len || !parse_thousandths(&p, end, &hits))
		return false;
	line.hits = hits / 1000;
	line.timed = parse_thousandths(&p, end, &line.total_ns) &&
		     parse_thousandths(&p, end, &average) && parse_thousandths(&p, end, &s2);
	/* us^2 with three digits: thousands of ns^2. */
	if (line.timed && __builtin_mul_overflow(s2, 1000u, &line.s2_ns2))
		line.s2_ns2 = UINT64_MAX;
	*ret_line = line;
	return true;
}

static int read_table(const char *text, uint32_t cpu,
		      int (*each)(void *arg, const struct kernel_profiler_line *line), void *arg,
		      struct err *err)
{
	int r = 0;

	while (*text && r == 0) {
		struct kernel_profiler_line line;
		size_t len = strcspn(text, "\n");

		if (kernel_profiler_parse(text, len, &line)) {
			line.cpu = cpu;
			r = each(arg, &line);
		}
		text += len + (text[len] == '\n');
	}
	return r < 0 ? err_sys(err, r, "cannot read the function profile") : 0;
}

int kernel_profiler_read(const struct kernel_profiler *profiler,
			 int (*each)(void *arg, const struct kernel_profiler_line *line), void *arg,
			 struct err *err)
{
	int r = 0;

	for (uint32_t cpu = 0; cpu < profiler->fs->cpus && r == 0; cpu++) {
		_cleanup_free_ char *text = NULL;
		char file[64];

		snprintf(file, sizeof(file), "trace_stat/function%u", cpu);
		if (!tracefs_exists(profiler->fs->path, file))
			continue; /* a CPU that is off */
		r = tracefs_read(profiler->fs->path, file, "read the function profile", TABLE_BYTES,
				 &text, NULL, err);
		if (r == 0)
			r = read_table(text, cpu, each, arg, err);
	}
	return r;
}
