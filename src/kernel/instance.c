/* SPDX-License-Identifier: MIT */
#include "kernel/instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/closest.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"
#include "kernel/features.h"
#include "kernel/borrow.h"
#include "kernel/tuning.h"

#define VALUE_BYTES (4u << 20)
#define OWN_PREFIX  "sonde-"

int kernel_instance_write(struct kernel_instance *inst, const char *file, const char *text,
			  const char *what, struct err *err)
{
	if (inst->created)
		return tracefs_write(inst->path, file, text, what, err);
	return kernel_borrow_write(inst->journal, inst->path, file, text, what, err);
}

int kernel_instance_add(struct kernel_instance *inst, const char *file, const char *text,
			const char *undo, const char *what, struct err *err)
{
	size_t mark = kernel_journal_mark(inst->journal);
	int r = inst->created ? 0
			      : kernel_journal_push(inst->journal, KERNEL_UNDO_APPEND, inst->path,
						    file, undo, err);

	if (r < 0)
		return r;
	r = tracefs_append(inst->path, file, text, what, err);
	if (r < 0)
		kernel_journal_forget(inst->journal, mark);
	return r;
}

/* --- life --- */

/* The value of `size:` or the end (offset + size) of a field in header_page. */
static bool header_field(const char *text, const char *field, unsigned int *ret_offset,
			 unsigned int *ret_size)
{
	const char *line = strstr(text, field);

	line = line ? strstr(line, "offset:") : NULL;
	return line && sscanf(line, "offset:%u; size:%u", ret_offset, ret_size) == 2;
}

static int read_layout(struct kernel_instance *inst, struct err *err)
{
	const char *what = "learn the layout of the ring buffer";
	const char *dir =
		tracefs_exists(inst->path, "events/header_page") ? inst->path : inst->fs->path;
	_cleanup_free_ char *text = NULL;
	unsigned int offset, size, commit_offset, commit_size;
	int r = tracefs_read(dir, "events/header_page", what, 65536, &text, NULL, err);

	if (r < 0)
		return r;
	if (!header_field(text, " commit;", &commit_offset, &commit_size) ||
	    !header_field(text, " data;", &offset, &size) || offset > 4096 ||
	    size > LIMIT_SUBBUF_BYTES - 4096 || offset + size < LIMIT_SUBBUF_MIN_BYTES ||
	    (commit_size != 4 && commit_size != 8))
		return err_set(err, -EBADMSG, "cannot %s: %s/events/header_page is not understood",
			       what, dir);
	inst->page_size = offset + size;
	inst->long_size = (uint8_t)commit_size;
	return 0;
}

static int locate(struct kernel_instance *inst, const char *name)
{
	_cleanup_free_ char *instances = tracefs_join(inst->fs->path, "instances");

	inst->name = mem_strdup(name);
	if (!instances || !inst->name)
		return -ENOMEM;
	inst->path = name[0] ? tracefs_join(instances, name) : mem_strdup(inst->fs->path);
	return inst->path ? 0 : -ENOMEM;
}

/* Locked as long as we live: how others see that it is in use. */
static int lock_directory(struct kernel_instance *inst)
{
	do {
		inst->lock_fd = io_open(inst->path, O_RDONLY | O_DIRECTORY, 0);
	} while (inst->lock_fd == -EINTR);
	return inst->lock_fd < 0 ? inst->lock_fd : io_lock(inst->lock_fd, LOCK_EX | LOCK_NB);
}

/* Make the directory; 1 when it was there before. */
static int make(struct kernel_instance *inst, struct err *err)
{
	struct stat st;
	int r = io_stat(inst->path, &st);

	if (r == 0)
		return 1;
	r = kernel_journal_push(inst->journal, KERNEL_UNDO_RMDIR, inst->path, NULL, "", err);
	if (r < 0)
		return r;
	do {
		r = io_mkdir(inst->path, 0750);
	} while (r == -EINTR);
	if (r == -EEXIST) {
		kernel_journal_forget(inst->journal, inst->mark);
		return 1;
	}
	if (r < 0) {
		kernel_journal_forget(inst->journal, inst->mark);
		return tracefs_explain(err, r, "make a tracing instance", inst->path);
	}
	inst->created = true;
	inst->on = true;
	/* A file system that cannot lock takes nothing from us but this protection. */
	if (lock_directory(inst) < 0)
		return 0;
	return 0;
}

static int lock_against_others(struct kernel_instance *inst, struct err *err)
{
	if (lock_directory(inst) == -EWOULDBLOCK)
		return err_set(err, -EBUSY,
			       "another sonde is tracing with %s right now; wait for it, or give "
			       "another instance with -B NAME",
			       inst->name[0] ? inst->name : "the top instance");
	return 0;
}

/* An instance that was there: nobody else of us may be using it, nor may 'sonde start'. */
static int take(struct kernel_instance *inst, struct err *err)
{
	const char *name = inst->name[0] ? inst->name : "the top instance";
	int r = lock_against_others(inst, err);

	if (r < 0)
		return r;
	if (!kernel_journal_is_kept(inst->journal) &&
	    kernel_journal_kept_uses(inst->fs->state, inst->path))
		return err_set(err, -EBUSY,
			       "'sonde start' is tracing with %s; 'sonde reset' ends that", name);
	return 0;
}

static int prepare(struct kernel_instance *inst, struct err *err)
{
	int r = 0;

	inst->on = true;
	r = kernel_instance_stop(inst, err);
	if (r == 0 && !inst->created)
		r = kernel_instance_clear(inst, err);
	if (r == 0)
		r = read_layout(inst, err);
	return r;
}

static void begin(struct kernel_instance *inst, const struct tracefs *fs,
		  struct kernel_journal *journal)
{
	*inst = (struct kernel_instance){
		.fs = fs,
		.lock_fd = -1,
		.journal = journal,
		.mark = kernel_journal_mark(journal),
	};
}

static void give_up(struct kernel_instance *inst)
{
	struct err ignored;

	kernel_instance_close(inst, &ignored);
}

int kernel_instance_create(struct kernel_instance *inst, const struct tracefs *fs,
			   struct kernel_journal *journal, struct err *err)
{
	for (unsigned int attempt = 0;; attempt++) {
		char name[64];
		int r;

		begin(inst, fs, journal);
		if (attempt)
			snprintf(name, sizeof(name), OWN_PREFIX "%d-%u", (int)getpid(), attempt);
		else
			snprintf(name, sizeof(name), OWN_PREFIX "%d", (int)getpid());
		r = locate(inst, name);
		if (r < 0)
			err_sys(err, r, "cannot make a tracing instance");
		else
			r = make(inst, err);
		if (r == 0)
			r = prepare(inst, err);
		if (r == 0)
			return 0;
		give_up(inst);
		if (r < 0)
			return r;
		if (attempt > 100)
			return err_set(err, -EEXIST,
				       "cannot make a tracing instance: %s%s%d is taken", fs->path,
				       "/instances/" OWN_PREFIX, (int)getpid());
	}
}

static bool name_is_legal(const char *name)
{
	return strlen(name) < 256 && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

static int find(struct kernel_instance *inst, const struct tracefs *fs, const char *name,
		struct kernel_journal *journal, struct err *err)
{
	int r;

	begin(inst, fs, journal);
	if (!name_is_legal(name))
		return err_set(err, -EINVAL, "'%.100s' cannot be the name of an instance", name);
	r = locate(inst, name);
	if (r < 0)
		err_sys(err, r, "cannot open the instance '%s'", name);
	else
		r = name[0] ? make(inst, err) : 1;
	return r == 1 ? take(inst, err) : r;
}

int kernel_instance_open(struct kernel_instance *inst, const struct tracefs *fs, const char *name,
			 struct kernel_journal *journal, struct err *err)
{
	int r = find(inst, fs, name, journal, err);

	if (r == 0)
		r = prepare(inst, err);
	if (r < 0)
		give_up(inst);
	return r;
}

int kernel_instance_adopt(struct kernel_instance *inst, const struct tracefs *fs, const char *name,
			  struct kernel_journal *journal, struct err *err)
{
	int r = find(inst, fs, name, journal, err);

	if (r == 0)
		r = read_layout(inst, err);
	inst->on = true;
	if (r < 0)
		give_up(inst);
	return r;
}

int kernel_instance_look(struct kernel_instance *inst, const struct tracefs *fs, const char *name,
			 struct kernel_journal *journal, struct err *err)
{
	_cleanup_free_ char *on = NULL;
	int r;

	begin(inst, fs, journal);
	r = locate(inst, name);
	if (r < 0)
		err_sys(err, r, "cannot look at the instance '%s'", name);
	else
		r = lock_against_others(inst, err);
	if (r == 0)
		r = tracefs_read(inst->path, "tracing_on", "look whether it traces", 4096, &on,
				 NULL, err);
	if (r == 0)
		r = read_layout(inst, err);
	inst->on = r == 0 && on[0] == '1';
	if (r == 0)
		r = kernel_instance_stop(inst, err);
	if (r < 0)
		give_up(inst);
	return r;
}

void kernel_instance_release(struct kernel_instance *inst)
{
	io_close(inst->lock_fd);
	mem_free(inst->name);
	mem_free(inst->path);
	*inst = (struct kernel_instance){.lock_fd = -1};
}

int kernel_instance_globals(struct kernel_instance *inst, const struct tracefs *fs,
			    struct kernel_journal *journal, struct err *err)
{
	int r;

	begin(inst, fs, journal);
	r = locate(inst, "");
	if (r < 0)
		give_up(inst);
	return r < 0 ? err_sys(err, r, "cannot borrow the settings of the machine") : 0;
}

int kernel_instance_close(struct kernel_instance *inst, struct err *err)
{
	int r;

	if (!inst->fs)
		return 0;
	r = kernel_journal_undo(inst->journal, inst->mark, err);
	kernel_instance_release(inst);
	return r;
}

static bool is_stale(const char *path, const char *name)
{
	_cleanup_close_ int fd = -1;
	char *end;
	long pid = strtol(name + strlen(OWN_PREFIX), &end, 10);

	if (pid <= 0 || pid > (long)LIMIT_PID || (*end && *end != '-') || pid == getpid())
		return false;
	/* The lock decides; the pid only covers the moment between making and locking. */
	if (kill((pid_t)pid, 0) == 0 || errno != ESRCH)
		return false;
	fd = io_open(path, O_RDONLY | O_DIRECTORY, 0);
	return fd >= 0 && io_lock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void remove_if_stale(const char *instances, const char *name,
			    void (*note)(void *ctx, const char *name), void *ctx)
{
	_cleanup_free_ char *path = tracefs_join(instances, name);

	if (!path || !is_stale(path, name))
		return;
	if (io_rmdir(path) == 0)
		note(ctx, name);
}

void kernel_instance_remove_stale(const struct tracefs *fs,
				  void (*note)(void *ctx, const char *name), void *ctx)
{
	_cleanup_free_ char *path = tracefs_join(fs->path, "instances");
	struct dirent *entry;
	DIR *dir;

	if (!path || io_opendir(path, &dir) < 0)
		return;
	while ((entry = readdir(dir))) {
		if (!strncmp(entry->d_name, OWN_PREFIX, strlen(OWN_PREFIX)))
			remove_if_stale(path, entry->d_name, note, ctx);
	}
	closedir(dir);
}

/* --- switches and settings --- */

static int set_on(struct kernel_instance *inst, bool on, struct err *err)
{
	const char *what = on ? "start tracing" : "stop tracing";
	int r = 0;

	/* Noted once, when it is first stopped. */
	if (!inst->created && !inst->switch_noted)
		r = kernel_borrow(inst->journal, inst->path, "tracing_on", what, err);
	inst->switch_noted = true;
	if (r == 0)
		r = tracefs_write(inst->path, "tracing_on", on ? "1" : "0", what, err);
	if (r == 0)
		inst->on = on;
	return r;
}

int kernel_instance_start(struct kernel_instance *inst, struct err *err)
{
	return set_on(inst, true, err);
}

int kernel_instance_stop(struct kernel_instance *inst, struct err *err)
{
	return inst->on ? set_on(inst, false, err) : 0;
}

int kernel_instance_clear(struct kernel_instance *inst, struct err *err)
{
	return tracefs_write(inst->path, "trace", "", "empty the buffer", err);
}

bool kernel_instance_has_tracer(const struct kernel_instance *inst, const char *tracer)
{
	_cleanup_free_ char *text = NULL;

	if (tracefs_read(inst->path, "available_tracers", "list the tracers", VALUE_BYTES, &text,
			 NULL, NULL) < 0)
		return false;
	return tracefs_list_has(text, tracer);
}

/* What a misspelt tracer was meant to be, also one that this kernel lacks. Returns new text. */
static char *near_tracer(const char *tracer, const char *have)
{
	_cleanup_free_ char *words = mem_strdup(have);
	struct closest closest;
	char *save = NULL;

	if (!words || feature_of_tracer(tracer))
		return NULL;
	closest_init(&closest, tracer, strlen(tracer));
	for (int id = 0; id < FEATURE_NR; id++)
		closest_try(&closest, feature_info((enum feature_id)id)->tracer);
	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
		closest_try(&closest, word);
	return closest_found(&closest) ? mem_strdup(closest_found(&closest)) : NULL;
}

static int tracer_missing(const struct kernel_instance *inst, const char *tracer, struct err *err)
{
	struct kernel_instance top = {.fs = inst->fs, .path = inst->fs->path};
	_cleanup_free_ char *text = NULL, *near = NULL;
	int r = tracefs_read(inst->fs->path, "available_tracers", "list the tracers", VALUE_BYTES,
			     &text, NULL, err);

	if (r < 0)
		return r;
	if (inst->name[0] && kernel_instance_has_tracer(&top, tracer))
		return err_set(err, -EINVAL,
			       "in this kernel the tracer '%.64s' works only in the top instance; "
			       "use it without -B",
			       tracer);
	text[strcspn(text, "\n")] = '\0';
	near = near_tracer(tracer, text);
	if (near)
		return err_set(err, -ENOENT, "there is no tracer '%.64s'; did you mean '%s'?",
			       tracer, near);
	return feature_missing(err, -ENOENT, feature_of_tracer(tracer), inst->fs,
			       "this kernel has no tracer '%.64s', only: %.150s", tracer, text);
}

static int tracer_refused(const struct kernel_instance *inst, int code, const char *tracer,
			  struct err *err)
{
	const struct feature_info *info = feature_of_tracer(tracer);
	const char *instead = info ? feature_instead(info, inst->fs) : NULL;
	struct process_rights rights;
	char policy[64];

	process_rights_read(&rights, NULL);
	if ((code != -EPERM && code != -EACCES) || process_refusal(&rights) < REFUSED_LOCKED)
		return code;
	return err_set(err, code,
		       "the kernel refuses the tracer '%.32s', also to root (%s): "
		       "%s/current_tracer answers EPERM. Only another boot changes that (mostly: "
		       "Secure Boot off)%s%s",
		       tracer, process_policy(&rights, policy, sizeof(policy)), inst->path,
		       instead ? "; instead: " : "", instead ? instead : "");
}

/* "7 (expanded: 1408)": the second number, 0 when the buffer already has its size. */
static unsigned long expansion(const struct tracefs *fs)
{
	_cleanup_free_ char *text = NULL;
	unsigned long kb;

	if (tracefs_read(fs->path, "buffer_size_kb", "read the buffer size", VALUE_BYTES, &text,
			 NULL, NULL) < 0 ||
	    sscanf(text, "%*u (expanded: %lu", &kb) != 1)
		return 0;
	return kb;
}

/*
 * Before 6.7 the first tracer of an instance makes the kernel believe that the top buffer has been
 * expanded as well: whoever used it next would get 7 KiB. Give it the size it has promised.
 */
static void keep_top_expansion(const struct tracefs *fs, unsigned long before)
{
	char text[32];

	if (!before || expansion(fs))
		return;
	snprintf(text, sizeof(text), "%lu", before);
	if (tracefs_write(fs->path, "buffer_size_kb", text, "expand the top buffer", NULL) < 0)
		return;
}

int kernel_instance_tracer(struct kernel_instance *inst, const char *tracer, struct err *err)
{
	unsigned long before = inst->name[0] ? expansion(inst->fs) : 0;
	char what[100];
	int r;

	if (!kernel_instance_has_tracer(inst, tracer))
		return tracer_missing(inst, tracer, err);
	snprintf(what, sizeof(what), "set the tracer '%.60s'", tracer);
	r = kernel_instance_write(inst, "current_tracer", tracer, what, err);
	keep_top_expansion(inst->fs, before);
	return r < 0 ? tracer_refused(inst, r, tracer, err) : 0;
}

/* The list is long: the nearest name, or where to see it. Cuts `text` into words. */
static int no_option(const struct kernel_instance *inst, const char *option, char *text,
		     struct err *err)
{
	const char *name = option + (!strncmp(option, "no", 2) ? 2 : 0), *near;
	const struct feature_info *info = feature_of_option(name);
	struct closest closest;
	char *save;

	if (info && !tracefs_exists(inst->fs->path, info->file))
		return feature_missing(err, -EINVAL, info, inst->fs,
				       "this kernel has no option '%s'", name);
	if (info)
		return err_set(err, -EINVAL,
			       "the option '%s' works only with its tracer: -p function_graph, or "
			       "-p function for func-args",
			       name);
	if (!strncmp(name, "funcgraph-", 10) || !strcmp(name, "sleep-time") ||
	    !strcmp(name, "graph-time"))
		return err_set(
			err, -EINVAL,
			"the option '%.60s' belongs to the tracer function_graph and works only "
			"with it: -p function_graph",
			option);
	closest_init(&closest, name, strcspn(name, "="));
	kernel_tuning_suggest(&closest);
	for (char *word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
		closest_try(&closest, word + (!strncmp(word, "no", 2) ? 2 : 0));
	near = closest_found(&closest);
	return err_set(err, -EINVAL,
		       "this kernel has no option '%.60s'%s%s%s (sonde list -o shows all)", option,
		       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int kernel_instance_option(struct kernel_instance *inst, const char *option, struct err *err)
{
	bool off = !strncmp(option, "no", 2);
	_cleanup_free_ char *text = NULL, *negated = NULL;
	char what[100];
	int r;

	snprintf(what, sizeof(what), "set the option '%.60s'", option);
	r = tracefs_read(inst->path, "trace_options", what, VALUE_BYTES, &text, NULL, err);
	if (r < 0)
		return r;
	if (tracefs_list_has(text, option))
		return 0;
	negated = mem_alloc(strlen(option) + 3);
	if (!negated)
		return err_sys(err, -ENOMEM, "cannot %s", what);
	sprintf(negated, "%s%s", off ? "" : "no", off ? option + 2 : option);
	if (!tracefs_list_has(text, negated))
		return no_option(inst, option, text, err);
	/* Also in an instance of our own: what is a tracer's option belongs to all who use it. */
	r = kernel_journal_push(inst->journal, KERNEL_UNDO_WRITE, inst->path, "trace_options",
				negated, err);
	if (r < 0)
		return r;
	return tracefs_write(inst->path, "trace_options", option, what, err);
}

int kernel_instance_clocks(const struct kernel_instance *inst, char **ret_text, struct err *err)
{
	return tracefs_read(inst->path, "trace_clock", "read the trace clock", VALUE_BYTES,
			    ret_text, NULL, err);
}

char *kernel_clock_current(const char *text)
{
	const char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;

	return close ? mem_strndup(open + 1, (size_t)(close - open - 1)) : mem_strdup("local");
}

int kernel_instance_clock(struct kernel_instance *inst, const char *clock, struct err *err)
{
	_cleanup_free_ char *text = NULL, *current = NULL;
	int r = kernel_instance_clocks(inst, &text, err);

	if (r < 0)
		return r;
	current = kernel_clock_current(text);
	if (!current)
		return err_sys(err, -ENOMEM, "cannot set the trace clock");
	if (!strcmp(current, clock))
		return 0;
	text[strcspn(text, "\n")] = '\0';
	if (!tracefs_list_has(text, clock))
		return err_set(err, -EINVAL,
			       "this kernel has no trace clock '%.60s'; it has: %.300s", clock,
			       text);
	return kernel_instance_write(inst, "trace_clock", clock, "set the trace clock", err);
}

int kernel_instance_buffer(struct kernel_instance *inst, uint64_t kb, struct err *err)
{
	char text[32], what[100];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)kb);
	snprintf(what, sizeof(what), "give each CPU a buffer of %llu KiB", (unsigned long long)kb);
	return kernel_instance_write(inst, "buffer_size_kb", text, what, err);
}

int kernel_instance_buffer_at_least(struct kernel_instance *inst, uint64_t kb, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = tracefs_read(inst->path, "buffer_size_kb", "read the buffer size", VALUE_BYTES,
			     &text, NULL, err);

	if (r < 0 || strtoull(text, NULL, 10) >= kb || strstr(text, "expanded"))
		return r;
	return kernel_instance_buffer(inst, kb, err);
}

int kernel_instance_subbuf(struct kernel_instance *inst, uint64_t kb, struct err *err)
{
	char text[32], what[100];
	int r;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)kb);
	snprintf(what, sizeof(what), "make sub-buffers of %llu KiB", (unsigned long long)kb);
	r = kernel_instance_write(inst, "buffer_subbuf_size_kb", text, what, err);
	return r < 0 ? r : read_layout(inst, err);
}

/* As many bits as the machine has CPUs, in groups of 32 with commas between. */
static int all_cpus(uint32_t cpus, struct out *mask)
{
	uint32_t rest = cpus % 32;

	if (rest)
		out_printf(mask, "%x", (1u << rest) - 1);
	for (uint32_t i = 0; i < cpus / 32; i++)
		out_printf(mask, "%sffffffff", mask->len ? "," : "");
	return mask->failed ? -ENOMEM : 0;
}

int kernel_instance_cpumask(struct kernel_instance *inst, const char *mask, struct err *err)
{
	_cleanup_out_ struct out all = {0};

	if (!strcmp(mask, "-1")) {
		if (all_cpus(inst->fs->cpus, &all) < 0)
			return err_sys(err, -ENOMEM, "cannot choose CPUs");
		mask = out_cstr(&all);
	}
	return kernel_instance_write(inst, "tracing_cpumask", mask,
				     "choose CPUs (-M takes a hexadecimal mask, or -1: all)", err);
}

int kernel_instance_pids(struct kernel_instance *inst, const char *file, const pid_t *pids,
			 size_t nr, struct err *err)
{
	_cleanup_free_ char *text = mem_alloc(nr * 12 + 1);
	size_t len = 0;

	if (!text)
		return err_sys(err, -ENOMEM, "cannot choose processes");
	text[0] = '\0';
	for (size_t i = 0; i < nr; i++)
		len += (size_t)sprintf(text + len, "%d ", (int)pids[i]);
	return kernel_instance_write(inst, file, text, "choose processes", err);
}
