/* SPDX-License-Identifier: MIT */
/* The whole way from a file to text: the same text whatever the file's form, and every failure
 * told. */
#include "report/report.h"

#include <sys/mman.h>

#include "base/fault.h"
#include "base/test.h"
#include "report/handlers.h"
#include "tracedat/build_test.h"

enum {
	MAX_SOURCES = 4,
	TEXT_BYTES = 1 << 20
};

struct shown {
	char text[TEXT_BYTES];
	size_t len;
	uint64_t records;
	bool damaged;
};

static struct shown reference, seen;

static int run_sources(struct input *input, struct source *sources, size_t *nr,
		       const struct report_options *options, int fd, struct shown *ret,
		       struct err *err)
{
	struct report *report;
	int r = 0;

	for (size_t i = 0; i < input->dat->nr_buffers && i < MAX_SOURCES && r == 0; i++) {
		r = source_init(&sources[*nr], input, i, err);
		if (r < 0)
			return r;
		(*nr)++;
		r = source_start(&sources[*nr - 1], NULL, 0, options->has_from ? options->from : 0,
				 err);
	}
	if (r < 0)
		return r;
	r = report_new(&report, options, sources, *nr, &input, NULL, 1, err);
	if (r < 0)
		return r;
	report_set_name_width(report, *nr > 1 ? 4 : 0);
	r = report_run(report, fd, err);
	ret->records = report_shown(report);
	report_free(report);
	return r;
}

/* Report a file into ret->text; 0 or the first failure. */
static int show_file(const char *path, const struct report_options *options, struct shown *ret,
		     struct err *err)
{
	const struct input_options input_options = {.no_handlers = true};
	struct source sources[MAX_SOURCES];
	int fd = memfd_create("report", MFD_CLOEXEC);
	struct input *input;
	size_t nr = 0;
	ssize_t n;
	int r = input_open(&input, path, &input_options, err);

	if (r < 0) {
		close(fd);
		return r;
	}
	r = run_sources(input, sources, &nr, options, fd, ret, err);
	ret->damaged = input->dat->damage.code != 0;
	for (size_t i = 0; i < nr; i++) {
		ret->damaged |= sources[i].damage.code != 0;
		source_done(&sources[i]);
	}
	input_free(input);
	n = pread(fd, ret->text, sizeof(ret->text) - 1, 0);
	ret->len = n < 0 ? 0 : (size_t)n;
	ret->text[ret->len] = '\0';
	close(fd);
	return r;
}

static struct report_options text_options(unsigned int threads)
{
	struct report_options options = {.compat = COMPAT_34, .nr_threads = threads};

	handler_options_init(&options.events);
	return options;
}

static size_t count_lines(const struct shown *shown)
{
	size_t nr = 0;

	for (size_t i = 0; i < shown->len; i++)
		nr += shown->text[i] == '\n';
	return nr;
}

static const struct build plain = {
	.version = 7,
	.long_size = 8,
	.page_size = 4096,
	.instance_page_size = 8192,
	.nr_cpus = 4,
	.nr_pages = 30,
};

TEST(every_form_of_a_file_gives_the_same_text)
{
	static const enum dat_compression codecs[] = {DAT_NONE, DAT_ZSTD, DAT_ZLIB};
	const struct report_options options = text_options(0);
	struct err err = {0};
	char path[128];

	build_path(path, sizeof(path), "form.dat");
	CHECK(build_file(&plain, path, &err) == 0);
	CHECK(show_file(path, &options, &reference, &err) == 0);
	CHECK(!reference.damaged);
	CHECK_EQ(reference.records, 2 * 2 * 30 * BUILD_RECORDS);
	CHECK_EQ(count_lines(&reference), reference.records);
	for (unsigned int form = 0; form < 3 * 2 * 2 * 2; form++) {
		struct build b = plain;

		b.compression = codecs[form % 3];
		b.big = form / 3 & 1;
		b.long_size = form / 6 & 1 ? 4 : 8;
		b.version = form / 12 & 1 ? 6 : 7;
		if (b.version == 6 && b.compression != DAT_NONE)
			continue;
		if (b.version == 6)
			b.instance_page_size = b.page_size;
		CHECK(build_file(&b, path, &err) == 0);
		CHECK(show_file(path, &options, &seen, &err) == 0);
		CHECK(!seen.damaged);
		/* v6 does not keep an instance's clock; everything else is the same. */
		CHECK_EQ(seen.records, reference.records);
		CHECK_STR(seen.text, reference.text);
	}
}

TEST(threads_do_not_change_the_text)
{
	struct build b = plain;
	struct report_options options = text_options(0);
	struct err err = {0};
	char path[128];

	b.nr_pages = 600;
	b.instance_page_size = 0;
	build_path(path, sizeof(path), "threads.dat");
	CHECK(build_file(&b, path, &err) == 0);
	CHECK(show_file(path, &options, &reference, &err) == 0);
	for (unsigned int threads = 1; threads <= 4; threads++) {
		options.nr_threads = threads;
		CHECK(show_file(path, &options, &seen, &err) == 0);
		CHECK_EQ(seen.records, 2 * 600 * BUILD_RECORDS);
		CHECK_STR(seen.text, reference.text);
	}
}

TEST(a_range_shows_what_lies_in_it)
{
	struct build b = plain;
	struct report_options options = text_options(0);
	uint64_t date = 16000; /* the file's DATE option, in ns */
	struct err err = {0};
	char path[128];

	b.instance_page_size = 0;
	build_path(path, sizeof(path), "range.dat");
	CHECK(build_file(&b, path, &err) == 0);
	options.has_from = options.has_to = true;
	options.from = build_time(0, 10) + date;
	options.to = build_time(0, 20) + date;
	CHECK(show_file(path, &options, &seen, &err) == 0);
	/* CPU 0: records 10 to 20; CPU 3, three units later: 10 to 19. */
	CHECK_EQ(seen.records, 11 + 10);
	CHECK_EQ(count_lines(&seen), 21);
}

TEST(json_and_csv_are_a_line_a_record)
{
	static const char *const fields[] = {"ts", "cpu", "event", "nr", "text"};
	struct report_options options = text_options(0);
	struct err err = {0};
	char path[128];

	build_path(path, sizeof(path), "json.dat");
	CHECK(build_file(&plain, path, &err) == 0);
	options.format = REPORT_JSON;
	CHECK(show_file(path, &options, &seen, &err) == 0);
	CHECK_EQ(count_lines(&seen), seen.records);
	CHECK(!strncmp(seen.text,
		       "{\"ts\":1016000,\"cpu\":0,\"task\":\"bash\",\"pid\":42,\"flags\":\".....\","
		       "\"system\":\"ftrace\",\"event\":\"function\",\"fields\":{\"nr\":0},",
		       100));
	options.format = REPORT_CSV;
	options.csv_fields = fields;
	options.nr_csv_fields = 5;
	CHECK(show_file(path, &options, &seen, &err) == 0);
	CHECK_EQ(count_lines(&seen), seen.records);
	CHECK(!strncmp(seen.text, "1016000,0,function,0,nr=0\n", 26));
}

static void sweep(struct fault_sweep *s, const struct build *b, unsigned int threads)
{
	const struct report_options options = text_options(threads);
	struct err err = {0};
	char path[128];

	build_path(path, sizeof(path), "sweep.dat");
	CHECK(build_file(b, path, &err) == 0);
	CHECK(show_file(path, &options, &reference, &err) == 0);
	while (fault_next(s)) {
		int r = show_file(path, &options, &seen, &err);

		fault_pause();
		CHECK(fault_fired() || r == 0);
		/* Told, or without effect (a retried EINTR, a smaller read-ahead). */
		CHECK(r < 0 || seen.damaged || !strcmp(seen.text, reference.text));
		CHECK(r >= 0 || err.text[0]);
	}
}

TEST(every_failing_system_call_is_told)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_IO, .code = -EIO};

	sweep(&s, &plain, 0);
}

TEST(interrupted_and_short_calls_do_no_harm)
{
	_cleanup_(fault_done) struct fault_sweep eintr = {
		.what = FAULT_IO, .code = -EINTR, .ops = 1u << IO_PREAD | 1u << IO_WRITE};

	sweep(&eintr, &plain, 0);
}

TEST(short_calls_do_no_harm)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_SHORT};

	sweep(&s, &plain, 0);
}

TEST(every_failing_allocation_is_told)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_MEM};
	struct build b = plain;

	b.compression = DAT_ZSTD;
	sweep(&s, &b, 0);
}

TEST(the_files_are_removed)
{
	static const char *const names[] = {"form.dat", "threads.dat", "range.dat", "json.dat",
					    "sweep.dat"};
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(build_path(path, sizeof(path), names[i]));
	CHECK_EQ(rmdir(build_dir()), 0);
}

TEST_MAIN()
