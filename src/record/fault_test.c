/* SPDX-License-Identifier: MIT */
/*
 * Recordings on a made-up tracefs in which one system call or allocation after the other fails.
 * Whatever fails: our instance and our probe are gone, what was recorded is a readable prefix, an
 * error comes with a text, and success means that nothing is missing.
 */
#include "base/test.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "kernel/fake_test.h"
#include "record/record.h"
#include "tracedat/build_test.h"

#define NR_PAGES 5

static const struct build build = {
	.version = 7,
	.compression = DAT_ZSTD,
	.big = HOST_BIG,
	.long_size = 8,
	.page_size = 4096,
	.nr_cpus = 4,
	.nr_pages = NR_PAGES,
};

static int (*fault)(enum io_op op, const char *path, size_t *len);
static char made[300]; /* instance that was just made and has no files yet */
static int ring_fd = -1;

static size_t count_of(const char *text, const char *part)
{
	size_t nr = 0;

	for (const char *at = text; (at = strstr(at, part)); at++)
		nr++;
	return nr;
}

/* By what has been written so far. */
static bool probe_defined(void)
{
	const char *text = get("dynamic_events");

	return count_of(text, "p:probes/job ") > count_of(text, "-:probes/job");
}

/* An event is there as long as it is defined. */
static void follow_definitions(void)
{
	static bool there;
	bool defined = probe_defined();

	if (defined && !there)
		put("events/probes/job/format", BUILD_FORMAT("job", "302"));
	else if (!defined && there)
		fake_remove("events/probes");
	there = defined;
}

/* What the kernel does: an instance is born with its files, and with data in CPU 0's buffer. */
static void fill_instance(void)
{
	char dir[300], file[340], path[600];
	const char *name = strstr(made, "instances/");
	uint8_t page[4096];

	snprintf(dir, sizeof(dir), "%s/", name);
	put_instance(dir);
	snprintf(file, sizeof(file), "%sevents/probes/job/enable", dir);
	put(file, "0\n");
	snprintf(path, sizeof(path), "%s/per_cpu/cpu0/trace_pipe_raw", made);
	close(ring_fd); /* of the instance before, which has its reader */
	if (mkfifo(path, 0600) < 0)
		return;
	ring_fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	for (uint64_t i = 0; i < NR_PAGES; i++) {
		build_page(&build, sizeof(page), 0, i, page);
		if (write(ring_fd, page, sizeof(page)) != (ssize_t)sizeof(page))
			__builtin_trap();
	}
}

static int kernel_hook(enum io_op op, const char *path, size_t *len)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct stat st;

	/* Threads that read already may come while a further instance is made. */
	pthread_mutex_lock(&lock);
	if (op == IO_OPEN || op == IO_STAT)
		follow_definitions();
	if (made[0] && stat(made, &st) == 0) {
		fill_instance();
		made[0] = '\0';
	}
	if (op == IO_MKDIR && strstr(path, "/instances/") && stat(path, &st) < 0)
		snprintf(made, sizeof(made), "%s", path);
	pthread_mutex_unlock(&lock);
	if (op == IO_RMDIR && strstr(path, "/instances/"))
		fake_remove(path + strlen(root) + 1);
	/* The directory is now gone; make an empty one for the call itself. */
	if (op == IO_RMDIR && strstr(path, "/instances/"))
		mkdir(path, 0700);
	return fault ? fault(op, path, len) : 0;
}

static void say(void *ctx, enum record_say what, const char *text)
{
	(void)ctx;
	(void)what;
	(void)text;
}

/* A recording that is shown at once: what has been handed over is read when it ends. */
static struct shown {
	bool wanted, ended;
	struct dat *dat;
} shown;

static int shown_begin(void *ctx, const char *path, uint32_t nr_cpus, struct err *err)
{
	struct shown *to = ctx;
	int r = dat_open(&to->dat, path, err);

	return r < 0 ? r : dat_feed_begin(to->dat, nr_cpus, err);
}

static int shown_pages(void *ctx, size_t buffer, uint32_t cpu, const void *pages, size_t len,
		       struct err *err)
{
	struct shown *to = ctx;

	return dat_feed(to->dat, buffer, cpu, pages, len, err);
}

static int shown_name(void *ctx, int32_t pid, const char *comm)
{
	(void)ctx;
	return pid && comm[0] ? 0 : -EINVAL;
}

static int shown_until(void *ctx, const uint64_t *until, struct err *err)
{
	struct shown *to = ctx;

	(void)err;
	to->ended = !until;
	return 0;
}

static const struct record_stream shown_stream = {shown_begin, shown_pages, shown_name, shown_until,
						  &shown};

static const char *tracer; /* in user space, since the made-up kernel does not have it */
static char out_path[300], snapshot_path[320], sealing_path[340], partial_path[320],
	symbols_path[300];

/* Events that a failed recording says are in its partial; -1: it says nothing of them. */
static long said_saved;

static void add_up(const struct record_result *result)
{
	uint64_t written = 0;

	for (size_t i = 0; i < result->nr_cpus; i++)
		written += result->cpus[i].events + result->cpus[i].left;
	said_saved = result->nr_cpus ? (long)(written - result->unsaved) : -1;
}

static int record_once(struct err *err)
{
	static char *command[] = {"true", NULL};
	struct record_instance own = {
		.rules = {{.events = "sched", .filter = "pid > 0"},
			  {.events = "p:probes/job /proc/self/exe:0x1000"}},
		.nr_rules = 2,
		.clock = "mono",
		.tracer = tracer,
		.options = {.items = {"stacktrace"}, .nr = 1},
		.buffer_kb = 100,
	};
	struct record_instance *instances[] = {&own};
	struct record_plan plan = {
		.instances = instances,
		.nr_instances = 1,
		.tracefs = root,
		.state = fake_state(),
		.kallsyms = symbols_path,
		.output = out_path,
		.version = 7,
		.compression = DAT_ZSTD,
		.interval_ms = tracer ? 2 : 1000, /* a snapshot waits for two */
		.command = command,
		.version_text = "sonde test",
		.stream = shown.wanted ? &shown_stream : NULL,
	};
	struct record_result result;
	int r;

	if (tracer)
		own.rules[0].triggers = (struct record_list){.items = {"snapshot:1"}, .nr = 1};
	shown.ended = false;
	r = record_run(&plan, say, NULL, &result, err);
	add_up(&result);
	record_result_done(&result);
	return r;
}

#define HWLAT_FIELD(name, offset) "\tfield:u64 " name ";\toffset:" offset ";\tsize:8;\tsigned:0;\n"
#define HWLAT_FORMAT                                                                               \
	"name: hwlat\nID: 16\nformat:\n"                                                           \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"             \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n" HWLAT_FIELD("duration", "8")  \
		HWLAT_FIELD("outer_duration", "16") HWLAT_FIELD("nmi_total_ts", "24") HWLAT_FIELD( \
			"tv_sec", "32") HWLAT_FIELD("tv_nsec", "40")                               \
			HWLAT_FIELD("nmi_count", "48") HWLAT_FIELD("seqnum", "56") HWLAT_FIELD(    \
				"count", "64") "\nprint fmt: \"inner:%llu\", REC->duration\n"

/* The made-up tracefs of all runs; one event has a format. */
static void begin(void)
{
	fake_make();
	fake_remove("instances/keep");
	put("available_events", "sched:sched_switch\nsched:sched_waking\nprobes:job\n");
	put("dynamic_events", "");
	put("uprobe_events", "");
	put("events/sched/sched_switch/format", BUILD_FORMAT("sched_switch", "300"));
	put("events/sched/sched_waking/format", BUILD_FORMAT("sched_waking", "301"));
	put("events/ftrace/function/format", BUILD_FORMAT("function", "1"));
	put("events/ftrace/hwlat/format", HWLAT_FORMAT);
	put("printk_formats", "");
	put("saved_cmdlines", "42 bash\n");
	put("kallsyms", "ffffffff81000000 T _text\n");
	snprintf(symbols_path, sizeof(symbols_path), "%s/kallsyms", root);
	snprintf(out_path, sizeof(out_path), "%s/out.dat", root);
	snprintf(snapshot_path, sizeof(snapshot_path), "%s.snapshot.dat", out_path);
	snprintf(sealing_path, sizeof(sealing_path), "%s.sealing", snapshot_path);
	snprintf(partial_path, sizeof(partial_path), "%s.partial", out_path);
}

static bool there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static bool no_instance_left(void)
{
	char path[300];

	/* rmdir works only on an empty directory */
	snprintf(path, sizeof(path), "%s/instances", root);
	return rmdir(path) == 0 && mkdir(path, 0700) == 0;
}

/* Records that can be read; -1 when it cannot be opened or one is not in its place. */
static long readable(const char *path)
{
	struct build_seen seen;
	struct err err = {0};
	struct dat *dat;

	if (dat_open(&dat, path, &err) < 0)
		return -1;
	seen = build_read(dat);
	dat_close(dat);
	return seen.wrong || seen.errors ? -1 : (long)seen.records;
}

static void clean(void)
{
	unlink(out_path);
	unlink(snapshot_path);
	fake_remove("out.dat.partial");
	close(ring_fd);
	ring_fd = -1;
	made[0] = '\0';
	put("dynamic_events", "");
	follow_definitions();
	/* settings that the run has left in the top directory's files do not matter */
}

TEST(recording_without_a_fault)
{
	struct err err = {0};
	int r;

	begin();
	io_fault_hook = kernel_hook;
	r = record_once(&err);
	io_fault_hook = NULL;
	if (r < 0)
		printf("# %s\n", err.text);
	CHECK_EQ(r, 0);
	CHECK(no_instance_left());
	CHECK(!probe_defined());
	CHECK(strstr(get("dynamic_events"), "p:probes/job /") == get("dynamic_events"));
	CHECK(!there(partial_path));
	CHECK_EQ(readable(out_path), NR_PAGES * BUILD_RECORDS);
	clean();
	fake_done(NULL);
}

static void check_shown(int r, const struct err *err)
{
	CHECK(r == 0 || err->text[0]);
	if (r == 0) {
		struct build_seen seen = build_read(shown.dat);

		CHECK(shown.ended && !seen.wrong && !seen.errors);
		CHECK_EQ(seen.records, NR_PAGES * BUILD_RECORDS);
	}
	dat_close(shown.dat);
	shown.dat = NULL;
}

static void check_run(int r, const struct err *err)
{
	CHECK(r == 0 || fault_fired());
	CHECK(no_instance_left());
	CHECK(!probe_defined());
	if (shown.wanted) {
		CHECK(!there(partial_path) && !there(out_path));
		check_shown(r, err);
		return;
	}
	if (r == 0) {
		CHECK_EQ(readable(out_path), NR_PAGES * BUILD_RECORDS);
		CHECK(!there(partial_path));
		return;
	}
	CHECK(err->text[0]);
	if (!there(partial_path))
		return;
	CHECK(readable(partial_path) >= 0);
	if (said_saved >= 0)
		CHECK_EQ(said_saved, readable(partial_path));
}

/*
 * A whole recording for every single call is slow under a sanitizer or an emulator. There every
 * SONDE_FAULT_STRIDE-th call fails, each sweep beginning at another one, so that together they
 * still take every error path.
 */
static unsigned long stride(void)
{
	const char *text = getenv("SONDE_FAULT_STRIDE");
	unsigned long nr = text ? strtoul(text, NULL, 10) : 1;

	return nr ? nr : 1;
}

static void sweep(enum fault_what what, int code, bool stays)
{
	static unsigned long nr_sweeps;
	_cleanup_(fault_done) struct fault_sweep faults = {
		.what = what, .code = code, .stays = stays, .step = stride()};

	faults.k = nr_sweeps++ % faults.step;
	begin();
	while (fault_next(&faults) && !test_failed) {
		struct err err = {0};
		int r;

		fault = what == FAULT_MEM ? NULL : fault_io_hook;
		io_fault_hook = kernel_hook;
		r = record_once(&err);
		fault_pause();
		check_run(r, &err);
		if (test_failed)
			printf("# call %lu: %d, %s\n", faults.k, r, err.text);
		clean();
	}
	printf("# %lu calls\n", faults.k);
	fake_done(NULL);
}

TEST(sweep_eio)
{
	sweep(FAULT_IO, -EIO, false);
}

TEST(sweep_enospc)
{
	sweep(FAULT_IO, -ENOSPC, false);
}

TEST(sweep_eintr)
{
	sweep(FAULT_IO, -EINTR, false);
}

TEST(sweep_short)
{
	sweep(FAULT_SHORT, 0, false);
}

TEST(sweep_memory)
{
	sweep(FAULT_MEM, 0, false);
}

/*
 * With a tracer and a trigger in user space: their threads and instances are given back too. What
 * it writes differs from run to run, so of the file only that it can be opened is looked at.
 */
static void check_traced(int r, const struct err *err)
{
	struct err reason = {0};
	struct dat *dat;

	CHECK(r == 0 || fault_fired());
	CHECK(no_instance_left());
	CHECK(!probe_defined());
	CHECK(r == 0 || err->text[0]);
	if (r < 0 && !there(partial_path))
		return;
	CHECK_EQ(dat_open(&dat, r < 0 ? partial_path : out_path, &reason), 0);
	CHECK_EQ(dat->nr_buffers, 2);
	CHECK_STR(dat->buffers[1].name, "hwlat");
	dat_close(dat);
	/* A snapshot is there in whole or not at all. */
	CHECK(!there(sealing_path));
	if (r == 0 && !fault_fired())
		CHECK(there(snapshot_path));
	if (!there(snapshot_path))
		return;
	CHECK_EQ(dat_open(&dat, snapshot_path, &reason), 0);
	dat_close(dat);
}

static void sweep_tracer(enum fault_what what, int code)
{
	_cleanup_(fault_done) struct fault_sweep faults = {
		.what = what, .code = code, .step = 3 * stride()};

	begin();
	tracer = "hwlat";
	while (fault_next(&faults) && !test_failed) {
		struct err err = {0};
		int r;

		fault = what == FAULT_MEM ? NULL : fault_io_hook;
		io_fault_hook = kernel_hook;
		r = record_once(&err);
		fault_pause();
		check_traced(r, &err);
		if (test_failed)
			printf("# call %lu: %d, %s\n", faults.k, r, err.text);
		clean();
	}
	printf("# %lu calls\n", faults.k);
	tracer = NULL;
	fake_done(NULL);
}

TEST(sweep_eio_with_a_tracer_in_user_space)
{
	sweep_tracer(FAULT_IO, -EIO);
}

TEST(sweep_memory_with_a_tracer_in_user_space)
{
	sweep_tracer(FAULT_MEM, 0);
}

/* Shown at once: the same calls, another way for the pages. */
TEST(sweep_stream)
{
	shown.wanted = true;
	sweep(FAULT_IO, -EIO, false);
	if (!test_failed)
		sweep(FAULT_IO, -EINTR, false);
	if (!test_failed)
		sweep(FAULT_MEM, 0, false);
	shown.wanted = false;
}

TEST_MAIN()
