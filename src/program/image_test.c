/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <execinfo.h>
#include <math.h>
#include <sys/wait.h>
#include <zlib.h>
#include <lzma.h>
#include <zstd.h>

#include "base/mem.h"
#include "base/test.h"
#include "program/patch_test.h"

#define MODULES_MAX 64
#define WORK_BYTES  300000

struct module_place {
	char path[512];
	uint64_t bias;
};

struct places {
	struct module_place modules[MODULES_MAX];
	size_t nr;
};

static int add_place(struct dl_phdr_info *info, size_t size, void *data)
{
	struct places *places = data;
	struct module_place *place = &places->modules[places->nr];
	const char *name = info->dlpi_name;
	ssize_t len;

	(void)size;
	if (places->nr == MODULES_MAX || (!*name && places->nr))
		return 0;
	if (!*name) {
		len = readlink("/proc/self/exe", place->path, sizeof(place->path) - 1);
		place->path[MAX(len, 0)] = '\0';
	} else if (*name == '/') {
		snprintf(place->path, sizeof(place->path), "%s", name);
	} else {
		return 0;
	}
	place->bias = info->dlpi_addr;
	places->nr++;
	return 0;
}

/* Work whose result does not depend on where it runs. */
static uint64_t mix(uint64_t sum, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3u;
	return sum;
}

static int by_value(const void *a, const void *b)
{
	const unsigned char *x = a, *y = b;

	return memcmp(x, y, 16);
}

static uint64_t work_math(uint64_t sum)
{
	double x = 0.001;

	for (int i = 0; i < 700; i++) {
		double values[] = {sin(x),	 cos(x),
				   tan(x),	 exp(x / 3),
				   log(x),	 pow(x, 1.7),
				   atan2(x, 3),	 cbrt(x),
				   erf(x / 100), tgamma(x / 10),
				   fmod(x, 0.7), sqrt(x),
				   hypot(x, 2),	 (double)lgammaf((float)x),
				   j0(x)};

		sum = mix(sum, values, sizeof(values));
		x = x * 1.01 + 0.01;
	}
	return sum;
}

static uint64_t work(void)
{
	static unsigned char in[WORK_BYTES], packed[2 * WORK_BYTES], out[WORK_BYTES];
	uLongf len = sizeof(packed), out_len = sizeof(out);
	size_t used = 0, in_at = 0;
	uint64_t sum = 1, memory = UINT64_MAX;
	uint32_t random = 1;

	for (size_t i = 0; i < sizeof(in); i++) {
		random = random * 1664525 + 1013904223;
		in[i] = (unsigned char)((random >> 24) & (i & 4096 ? 0x0f : 0xff));
	}
	if (compress2(packed, &len, in, sizeof(in), 9) != Z_OK)
		return 0;
	sum = mix(sum, packed, len);
	if (uncompress(out, &out_len, packed, len) != Z_OK || memcmp(in, out, sizeof(in)) != 0)
		return 0;
	if (lzma_easy_buffer_encode(3, LZMA_CHECK_SHA256, NULL, in, sizeof(in), packed, &used,
				    sizeof(packed)) != LZMA_OK)
		return 0;
	sum = mix(sum, packed, used);
	out_len = 0;
	if (lzma_stream_buffer_decode(&memory, 0, NULL, packed, &in_at, used, out, &out_len,
				      sizeof(out)) != LZMA_OK)
		return 0;
	used = ZSTD_compress(packed, sizeof(packed), in, sizeof(in), 5);
	sum = mix(sum, packed, used);
	if (ZSTD_decompress(out, sizeof(out), packed, used) != sizeof(out))
		return 0;
	qsort(out, sizeof(out) / 16, 16, by_value);
	sum = work_math(mix(sum, out, sizeof(out)));
	for (int i = 0; i < 1000; i++) {
		char text[200];
		int n = snprintf(text, sizeof(text), "%d %.17g %s %x", i, i / 7.0, "text", i * 77);

		sum = mix(sum, text, (size_t)n);
		free(malloc((size_t)i * 100));
		sum += strtoul(text, NULL, 10) + strlen(text);
	}
	return sum;
}

/* The same with a library that may not be there. */
static uint64_t work_crypto(void *library)
{
	unsigned char *(*sha256)(const void *, size_t, unsigned char *);
	int (*pbkdf2)(const char *, int, const unsigned char *, int, int, int, unsigned char *);
	static unsigned char data[100000];
	unsigned char digest[64];
	uint64_t sum = 1;

	*(void **)&sha256 = dlsym(library, "SHA256");
	*(void **)&pbkdf2 = dlsym(library, "PKCS5_PBKDF2_HMAC_SHA1");
	if (!sha256 || !pbkdf2)
		return 0;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * i >> 3);
	for (size_t len = 0; len < sizeof(data); len += 997) {
		sha256(data, len, digest);
		sum = mix(sum, digest, 32);
	}
	pbkdf2("password", 8, data, 16, 2000, 64, digest);
	return mix(sum, digest, 64);
}

/* Run in a child, whose code is patched: what the parent's is must stay. */
static int in_child(int (*run)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int r = run();

		fflush(stdout);
		_exit(r);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	if (WIFSIGNALED(status))
		printf("# killed by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Patch the modules whose path contains `what`; how many functions, or -1. */
static long patch_all(const char *what)
{
	static struct places places;
	static struct patch_module modules[MODULES_MAX];
	struct patch_cluster clusters[2];
	uint32_t base = 4096;
	long nr = 0;

	places.nr = 0;
	dl_iterate_phdr(add_place, &places);
	if (!patch_begin() || places.nr < 2)
		return -1;
	/* The executable is far from the libraries. */
	if (!patch_reserve(&clusters[0], 0, places.modules[0].bias) ||
	    !patch_reserve(&clusters[1], 1, places.modules[places.nr - 1].bias - (600u << 20)))
		return -1;
	for (size_t i = 0; i < places.nr; i++) {
		if (!strstr(places.modules[i].path, what))
			continue;
		modules[i].base = base;
		if (!patch_build(&modules[i], places.modules[i].path, places.modules[i].bias,
				 &clusters[i > 0], NULL))
			return -1;
		base += (uint32_t)(modules[i].elf->text_high - modules[i].elf->text_low);
		nr += (long)modules[i].image.nr_patched;
	}
	/* From here on what is called is being patched. */
	for (size_t i = 0; i < places.nr; i++) {
		if (modules[i].elf && !patch_map(&modules[i]))
			return -1;
	}
	return nr;
}

static uint64_t expected;

static int run_work(const char *what)
{
	long nr;
	uint64_t got, entries;

	expected = work();
	nr = patch_all(what);
	entries = patch_state.entries;
	got = work();
	entries = patch_state.entries - entries;
	printf("# %s: %ld functions patched, %" PRIu64 " calls, %" PRIu64 " tail calls\n", what, nr,
	       entries, patch_state.tails);
	return nr > 0 && expected && got == expected && entries ? 0 : 1;
}

static int run_zlib(void)
{
	return run_work("libz.so");
}

TEST(zlib_works_as_before)
{
	CHECK_EQ(in_child(run_zlib), 0);
}

static int run_math(void)
{
	return run_work("libm.so");
}

TEST(libm_works_as_before)
{
	CHECK_EQ(in_child(run_math), 0);
}

static int run_libc(void)
{
	return run_work("libc.so");
}

TEST(libc_works_as_before)
{
	CHECK_EQ(in_child(run_libc), 0);
}

static int run_everything(void)
{
	return run_work("/");
}

TEST(all_modules_work_as_before)
{
	CHECK_EQ(in_child(run_everything), 0);
}

static int run_crypto(void)
{
	void *library = dlopen("libcrypto.so.3", RTLD_NOW);
	uint64_t before, after;
	long nr;

	if (!library)
		return 77;
	before = work_crypto(library);
	nr = patch_all("libcrypto");
	after = work_crypto(library);
	printf("# libcrypto: %ld functions patched, %" PRIu64 " calls\n", nr, patch_state.entries);
	return nr > 0 && before && before == after && patch_state.entries > 1000 ? 0 : 1;
}

TEST(libcrypto_works_as_before)
{
	int r = in_child(run_crypto);

	if (r == 77)
		SKIP("libcrypto.so.3 is not installed");
	CHECK_EQ(r, 0);
}

/* --- counts and unwinding, of functions of our own --- */

/* Every call is one of this function: no copy of it for a known argument, as gcc makes at -O3. */
#if __has_attribute(noipa)
#define AS_WRITTEN __attribute__((noipa))
#else
#define AS_WRITTEN __attribute__((noinline))
#endif

static void *frames_seen[64];
static int nr_frames_seen;

AS_WRITTEN static long fib(long n)
{
	long a, b;

	if (n < 2)
		return n;
	/* Real calls, not a loop. */
	a = fib(n - 1);
	__asm__ volatile("" : "+r"(a));
	b = fib(n - 2);
	__asm__ volatile("" : "+r"(b));
	return a + b;
}

AS_WRITTEN static int look_back(int depth)
{
	int r = 0;

	if (depth)
		r = look_back(depth - 1) + 1;
	else
		nr_frames_seen = backtrace(frames_seen, 64);
	__asm__ volatile("" : "+r"(r));
	return r;
}

/* What the runtime tells the unwinder by other means. */
extern void __register_frame(const void *frames);

static struct patch_module own_module;

static bool patch_own(const char *const *names)
{
	_cleanup_free_ uint8_t *choices = NULL;
	struct patch_cluster cluster;
	struct places places = {.nr = 0};
	uint64_t stubs;
	struct err err;

	dl_iterate_phdr(add_place, &places);
	if (program_elf_open(&own_module.elf, "/proc/self/exe", &err) < 0 || !patch_begin() ||
	    !patch_reserve(&cluster, 0, places.modules[0].bias))
		return false;
	choices = mem_zalloc(own_module.elf->nr_functions);
	for (size_t i = 0; i < own_module.elf->nr_functions; i++) {
		for (size_t j = 0; names[j]; j++)
			choices[i] |= !strcmp(
				program_name(own_module.elf, own_module.elf->functions[i].name),
				names[j]);
	}
	stubs = cluster.at + PROGRAM_WORDS_BYTES;
	if (!patch_build(&own_module, "/proc/self/exe", places.modules[0].bias, &cluster,
			 choices) ||
	    !patch_map(&own_module))
		return false;
	__register_frame((void *)(uintptr_t)(stubs + own_module.image.header.eh_frame));
	return own_module.image.nr_patched > 0;
}

static uint32_t count_of(const void *function)
{
	return patch_state
		.counts[(uint64_t)(uintptr_t)function - own_module.bias - own_module.elf->text_low];
}

static int run_counts(void)
{
	if (!patch_own((const char *const[]){"fib", NULL}) || fib(20) != 6765)
		return 1;
	printf("# %u calls, %" PRIu64 " returns\n", count_of((void *)fib), patch_state.exits);
	return count_of((void *)fib) == 21891 && patch_state.entries == 21891 &&
			       patch_state.exits == 21891
		       ? 0
		       : 1;
}

TEST(calls_are_counted_exactly)
{
	CHECK_EQ(in_child(run_counts), 0);
}

static int run_backtrace(void)
{
	uint64_t low, high;
	int before, stubs = 0;

	look_back(9);
	before = nr_frames_seen;
	if (!patch_own((const char *const[]){"look_back", NULL}))
		return 1;
	low = patch_state.low[0];
	high = low + PATCH_CLUSTER_BYTES;
	if (look_back(9) != 9)
		return 2;
	for (int i = 0; i < nr_frames_seen; i++)
		stubs += (uint64_t)(uintptr_t)frames_seen[i] - low < high - low;
	printf("# %d frames before, %d now, %d of them stubs\n", before, nr_frames_seen, stubs);
	return stubs == 10 && nr_frames_seen == before + 10 ? 0 : 3;
}

TEST(stubs_are_unwound_through)
{
	CHECK_EQ(in_child(run_backtrace), 0);
}

static int run_one_function(void)
{
	const struct program_image *image = &own_module.image;
	uint64_t pages;

	if (!patch_own((const char *const[]){"fib", NULL}))
		return 1;
	pages = (image->bytes - image->header.stubs_offset - image->header.stubs_bytes) /
		PROGRAM_PAGE_BYTES;
	printf("# %" PRIu64 " pages of code\n", pages);
	return image->header.nr_runs == 1 && pages <= 2 ? 0 : 1;
}

TEST(only_pages_with_jumps_are_copied)
{
	CHECK_EQ(in_child(run_one_function), 0);
}

TEST_MAIN()
