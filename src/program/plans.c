/* SPDX-License-Identifier: MIT */
#include "program/plans.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"
#include "program/internal.h"

#define MAGIC	       "SONDEPLN"
#define VERSION	       1u
#define CODE_BYTES_MIN (1u << 17) /* of smaller modules all is found as fast as it is read */
#define FOLDER_BYTES   (512ull << 20)
#define NAME_BYTES     64u
#define FOLDER_PATH    "/proc/self/fd/"
#define PATH_BYTES     (256u + 64u) /* of any name behind it */
#define SUFFIX	       ".plan"
/* A file that has just been changed may change once more without another time. */
#define SETTLED_NS 2000000000ull

struct kept_text {
	uint64_t address, offset, bytes;
};

/* The head of a file; behind it texts, functions, aliases, imports, names. */
struct kept_head {
	char magic[8];
	uint64_t checksum; /* of all that is behind it in this file, */
	uint64_t code;	   /* and of the module's code */
	struct program_file_state maker, file, debug;
	uint64_t low, high, text_low, text_high;
	uint64_t nr_texts, nr_functions, nr_aliases, nr_imports, names_bytes;
	uint32_t version, build_id_len;
	uint8_t build_id[PROGRAM_BUILD_ID_MAX];
	uint8_t is_library, is_fixed, pad[6];
};
#define CHECKED_FROM offsetof(struct kept_head, code)

struct program_plans {
	char *path;
	pthread_mutex_t lock; /* of both below, until they are known */
	int folder;	      /* -1: not yet; -2: there is none */
	struct program_file_state maker;
};

/* --- the folder --- */

static struct program_file_state state_of(const struct stat *st)
{
	return (struct program_file_state){
		.dev = st->st_dev,
		.inode = st->st_ino,
		.bytes = (uint64_t)st->st_size,
		.mtime_ns =
			(uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec,
		.ctime_ns =
			(uint64_t)st->st_ctim.tv_sec * 1000000000u + (uint64_t)st->st_ctim.tv_nsec,
	};
}

static bool is_same(const struct program_file_state *a, const struct program_file_state *b)
{
	return a->dev == b->dev && a->inode == b->inode && a->bytes == b->bytes &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

/* Its path, or "" when there is none. */
static int find_folder(struct out *path)
{
	const char *own = getenv("SONDE_PLANS"), *cache = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");

	if (own)
		out_str(path, own);
	else if (cache && cache[0] == '/')
		out_printf(path, "%s/sonde/plans", cache);
	else if (home && home[0] == '/')
		out_printf(path, "%s/.cache/sonde/plans", home);
	return path->failed ? -ENOMEM : 0;
}

int program_plans_new(struct program_plans **ret_plans)
{
	_cleanup_out_ struct out path = {0};
	struct program_plans *plans;
	int r = find_folder(&path);

	if (r < 0)
		return r;
	plans = mem_zalloc(sizeof(*plans));
	if (!plans)
		return -ENOMEM;
	pthread_mutex_init(&plans->lock, NULL);
	plans->path = mem_strdup(out_cstr(&path));
	plans->folder = plans->path && plans->path[0] ? -1 : -2;
	*ret_plans = plans;
	return 0;
}

void program_plans_free(struct program_plans *plans)
{
	if (!plans)
		return;
	io_close(plans->folder);
	pthread_mutex_destroy(&plans->lock);
	mem_free(plans->path);
	mem_free(plans);
}

static bool is_ours(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* The folder and the one that it is in, where they are not there; no more: who has no caches, or no
 * home, gets none. */
static void make_folders(const char *path)
{
	_cleanup_free_ char *parent = mem_strdup(path);
	char *slash = parent ? strrchr(parent, '/') : NULL;
	int r = 0;

	if (slash && slash != parent) {
		*slash = '\0';
		r = io_mkdir(parent, 0700);
	}
	if (r == 0 || r == -EEXIST)
		r = io_mkdir(path, 0700);
}

static int try_folder(struct program_plans *plans)
{
	struct stat st;
	int fd;

	if (io_stat("/proc/self/exe", &st) < 0)
		return -2;
	plans->maker = state_of(&st);
	make_folders(plans->path);
	fd = io_open(plans->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd >= 0 && io_fstat(fd, &st) == 0 && is_ours(&st))
		return fd;
	io_close(fd);
	return -2;
}

/* Once; threads plan at the same time. */
static bool open_folder(struct program_plans *plans)
{
	bool is_there;

	pthread_mutex_lock(&plans->lock);
	if (plans->folder == -1)
		plans->folder = try_folder(plans);
	is_there = plans->folder >= 0;
	pthread_mutex_unlock(&plans->lock);
	return is_there;
}

/* Of the file itself: whoever can write to it can replace what is said of it. */
static void name_of(char name[NAME_BYTES], const struct program_file_state *file)
{
	snprintf(name, NAME_BYTES, "%llx-%llx" SUFFIX, (unsigned long long)file->dev,
		 (unsigned long long)file->inode);
}

/* --- what a plan depends on --- */

static uint64_t now_ns(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool is_settled(const struct program_file_state *file)
{
	return file->ctime_ns < now_ns() - SETTLED_NS;
}

static struct program_file_state debug_state(const uint8_t *id, size_t len)
{
	_cleanup_out_ struct out path = {0};
	struct stat st;

	if (!len || symbol_debug_path(&path, id, len) < 0 || io_stat(out_cstr(&path), &st) < 0)
		return (struct program_file_state){0};
	return state_of(&st);
}

/* --- reading and writing --- */

static uint64_t add_up(uint64_t sum, const void *data, size_t len)
{
	const uint64_t factor = 0x9e3779b97f4a7c15ull;
	uint64_t lanes[4] = {sum, sum ^ factor, ~sum, sum + len};
	const uint8_t *at = data;
	uint8_t rest[32] = {0};

	for (; len >= sizeof(rest); at += sizeof(rest), len -= sizeof(rest)) {
		for (size_t i = 0; i < 4; i++)
			lanes[i] = (lanes[i] ^ load_u64(at + 8 * i, false)) * factor +
				   (lanes[i] >> 31);
	}
	if (len)
		memcpy(rest, at, len);
	for (size_t i = 0; i < 4; i++) {
		lanes[i] = (lanes[i] ^ load_u64(rest + 8 * i, false)) * factor;
		sum = (sum ^ (lanes[i] ^ lanes[i] >> 29)) * factor;
		sum ^= sum >> 32;
	}
	return sum;
}

static uint64_t sum_of_code(const struct program_elf *elf)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < elf->nr_texts; i++)
		sum = add_up(sum, elf->texts[i].code, (size_t)elf->texts[i].bytes);
	return sum;
}

/* The parts behind the head, in their order. */
struct part {
	void **data;
	size_t bytes;
};
#define NR_PARTS 5u

static bool list_parts(struct part parts[NR_PARTS], const struct kept_head *head,
		       struct program_elf *elf, struct kept_text **texts)
{
	const uint64_t limit = LIMIT_PROGRAM_BYTES / sizeof(struct program_function);

	parts[0] = (struct part){(void **)texts, head->nr_texts * sizeof(**texts)};
	parts[1] = (struct part){(void **)&elf->functions,
				 head->nr_functions * sizeof(*elf->functions)};
	parts[2] = (struct part){(void **)&elf->aliases, head->nr_aliases * sizeof(*elf->aliases)};
	parts[3] = (struct part){(void **)&elf->imports, head->nr_imports * sizeof(*elf->imports)};
	parts[4] = (struct part){(void **)&elf->names, head->names_bytes};
	return head->nr_texts && head->nr_texts <= PLAN_SEGMENTS_MAX &&
	       head->nr_functions <= limit && head->nr_aliases <= limit &&
	       head->nr_imports <= limit && head->names_bytes <= LIMIT_PROGRAM_BYTES &&
	       head->build_id_len <= PROGRAM_BUILD_ID_MAX;
}

/* The checksum says that it is what was written; this, that no use of it leads astray. */
static bool is_sound(const struct program_elf *elf)
{
	bool ok = elf->names_bytes && !elf->names[elf->names_bytes - 1];

	for (size_t i = 0; i < elf->nr_functions; i++) {
		const struct program_function *function = &elf->functions[i];

		ok &= function->name < elf->names_bytes && function->aliases <= elf->nr_aliases &&
		      function->nr_aliases <= elf->nr_aliases - function->aliases &&
		      function->address >= elf->text_low && function->address < elf->text_high;
	}
	for (size_t i = 0; i < elf->nr_aliases; i++)
		ok &= elf->aliases[i] < elf->names_bytes;
	for (size_t i = 0; i < elf->nr_imports; i++)
		ok &= elf->imports[i] < elf->names_bytes;
	return ok;
}

static int read_parts(int fd, const struct kept_head *head, struct program_elf *elf,
		      struct kept_text **ret_texts, uint64_t size)
{
	uint64_t sum, at = sizeof(*head);
	struct part parts[NR_PARTS];

	if (!list_parts(parts, head, elf, ret_texts))
		return -EBADMSG;
	sum = add_up(0, (const uint8_t *)head + CHECKED_FROM, sizeof(*head) - CHECKED_FROM);
	for (size_t i = 0; i < NR_PARTS; at += parts[i].bytes, i++) {
		void *data;
		ssize_t n;

		if (parts[i].bytes > size - MIN(at, size))
			return -EBADMSG;
		data = *parts[i].data = mem_alloc(parts[i].bytes + 1);
		if (!data)
			return -ENOMEM;
		mem_expect_use(data, parts[i].bytes);
		n = io_pread_full(fd, data, parts[i].bytes, at);
		if (n < 0 || (size_t)n != parts[i].bytes)
			return n < 0 ? (int)n : -EBADMSG;
		sum = add_up(sum, data, parts[i].bytes);
	}
	return at == size && sum == head->checksum ? 0 : -EBADMSG;
}

static int fill_in(struct program_elf *elf, const struct kept_head *head, const char *path,
		   const struct kept_text *texts, int fd)
{
	struct plan plan = {.elf = elf, .files = {.fds = {fd}}};
	const char *slash;
	int r;

	elf->path = mem_strdup(path);
	elf->texts = mem_calloc((size_t)head->nr_texts + 1, sizeof(*elf->texts));
	if (!elf->path || !elf->texts)
		return -ENOMEM;
	slash = strrchr(elf->path, '/');
	elf->name = slash ? slash + 1 : elf->path;
	memcpy(elf->build_id, head->build_id, sizeof(elf->build_id));
	elf->build_id_len = head->build_id_len;
	elf->dev = head->file.dev;
	elf->inode = head->file.inode;
	elf->bytes = head->file.bytes;
	elf->mtime_ns = head->file.mtime_ns;
	elf->is_library = head->is_library;
	elf->is_fixed = head->is_fixed;
	elf->low = head->low;
	elf->high = head->high;
	elf->text_low = head->text_low;
	elf->text_high = head->text_high;
	elf->nr_functions = (size_t)head->nr_functions;
	elf->nr_aliases = (size_t)head->nr_aliases;
	elf->nr_imports = (size_t)head->nr_imports;
	elf->names_bytes = (size_t)head->names_bytes;
	for (size_t i = 0; i < head->nr_texts; i++) {
		struct program_text *text = &elf->texts[elf->nr_texts++];

		text->address = texts[i].address;
		text->offset = texts[i].offset;
		text->bytes = texts[i].bytes;
	}
	r = is_sound(elf) ? plan_read_texts(&plan) : -EBADMSG;
	return r == 0 && sum_of_code(elf) != head->code ? -EBADMSG : r;
}

/* The file's plan, from the folder; an error when there is none that can be believed. */
static int take(const struct program_plans *plans, struct program_elf **ret_elf, const char *path,
		int file, struct program_origin *origin)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ struct kept_text *texts = NULL;
	struct program_elf *elf;
	struct kept_head head;
	char name[NAME_BYTES];
	struct stat st;
	ssize_t n;
	int r;

	name_of(name, &origin->file);
	fd = io_openat(plans->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	r = fd < 0 ? fd : io_fstat(fd, &st);
	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode) || !is_ours(&st))
		return -EPERM;
	n = io_pread_full(fd, &head, sizeof(head), 0);
	if (n != sizeof(head) || memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0 ||
	    head.version != VERSION || !is_same(&head.maker, &plans->maker) ||
	    !is_same(&head.file, &origin->file) || head.build_id_len > PROGRAM_BUILD_ID_MAX)
		return -EBADMSG;
	origin->debug = debug_state(head.build_id, head.build_id_len);
	if (!is_same(&head.debug, &origin->debug))
		return -EBADMSG;
	elf = mem_zalloc(sizeof(*elf));
	if (!elf)
		return -ENOMEM;
	r = read_parts(fd, &head, elf, &texts, (uint64_t)st.st_size);
	if (r == 0)
		r = fill_in(elf, &head, path, texts, file);
	if (r < 0) {
		program_elf_free(elf);
		return r;
	}
	futimens(fd, NULL); /* it has been used: the others go first */
	*ret_elf = elf;
	return 0;
}

int program_plans_open(struct program_plans *plans, struct program_elf **ret_elf, const char *path,
		       struct program_origin *ret_origin, struct err *err)
{
	_cleanup_close_ int file = io_open(path, O_RDONLY | O_NONBLOCK, 0);
	struct program_origin origin = {.keep = false};
	struct stat st;
	int r;

	if (file >= 0 && io_fstat(file, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size >= CODE_BYTES_MIN && open_folder(plans)) {
		origin.file = state_of(&st);
		origin.keep = true;
		if (take(plans, ret_elf, path, file, &origin) == 0) {
			origin.keep = false;
			origin.taken = true;
			*ret_origin = origin;
			return 0;
		}
	}
	r = program_elf_open(ret_elf, path, err);
	if (r < 0)
		return r;
	origin.keep = origin.keep && !(*ret_elf)->is_partial &&
		      (*ret_elf)->text_high - (*ret_elf)->text_low >= CODE_BYTES_MIN;
	if (origin.keep)
		origin.debug = debug_state((*ret_elf)->build_id, (*ret_elf)->build_id_len);
	*ret_origin = origin;
	return 0;
}

/* --- keeping --- */

/* A name in the folder that was looked at, wherever its path leads to by now. */
static void path_in(const struct program_plans *plans, char *path, size_t size, const char *name)
{
	snprintf(path, size, FOLDER_PATH "%d/%s", plans->folder, name);
}

struct oldest {
	char name[NAME_BYTES];
	uint64_t time, total;
};

static bool look_at_all(const struct program_plans *plans, struct oldest *ret_oldest)
{
	char path[PATH_BYTES];
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	*ret_oldest = (struct oldest){.time = UINT64_MAX};
	path_in(plans, path, sizeof(path), ".");
	if (io_opendir(path, &dir) < 0)
		return false;
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len >= NAME_BYTES || len < strlen(SUFFIX) ||
		    strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) != 0)
			continue;
		path_in(plans, path, sizeof(path), entry->d_name);
		if (io_stat(path, &st) < 0)
			continue;
		ret_oldest->total += (uint64_t)st.st_size;
		if (state_of(&st).mtime_ns < ret_oldest->time) {
			ret_oldest->time = state_of(&st).mtime_ns;
			memcpy(ret_oldest->name, entry->d_name, len + 1);
		}
	}
	closedir(dir);
	return ret_oldest->name[0];
}

static void make_room(const struct program_plans *plans, uint64_t bytes)
{
	char path[PATH_BYTES];
	struct oldest oldest;

	while (look_at_all(plans, &oldest) && oldest.total + bytes > FOLDER_BYTES) {
		path_in(plans, path, sizeof(path), oldest.name);
		if (io_unlink(path) < 0)
			return;
	}
}

static int write_parts(int fd, const struct kept_head *head, const struct part parts[NR_PARTS])
{
	int r = io_write_full(fd, head, sizeof(*head));

	for (size_t i = 0; i < NR_PARTS && r == 0; i++) {
		if (parts[i].bytes)
			r = io_write_full(fd, *parts[i].data, parts[i].bytes);
	}
	return r;
}

static void make_head(struct kept_head *head, const struct program_plans *plans,
		      const struct program_elf *elf, const struct program_origin *origin)
{
	memset(head, 0, sizeof(*head));
	memcpy(head->magic, MAGIC, sizeof(head->magic));
	head->version = VERSION;
	head->code = sum_of_code(elf);
	head->maker = plans->maker;
	head->file = origin->file;
	head->debug = origin->debug;
	head->low = elf->low;
	head->high = elf->high;
	head->text_low = elf->text_low;
	head->text_high = elf->text_high;
	head->nr_texts = elf->nr_texts;
	head->nr_functions = elf->nr_functions;
	head->nr_aliases = elf->nr_aliases;
	head->nr_imports = elf->nr_imports;
	head->names_bytes = elf->names_bytes;
	head->build_id_len = (uint32_t)elf->build_id_len;
	memcpy(head->build_id, elf->build_id, sizeof(head->build_id));
	head->is_library = elf->is_library;
	head->is_fixed = elf->is_fixed;
}

static void write_plan(const struct program_plans *plans, struct program_elf *elf,
		       const struct program_origin *origin, struct kept_text *texts)
{
	char name[NAME_BYTES], fresh[NAME_BYTES], from[PATH_BYTES], to[PATH_BYTES];
	struct part parts[NR_PARTS];
	struct kept_head head;
	uint64_t bytes = sizeof(head);
	int fd, r;

	for (size_t i = 0; i < elf->nr_texts; i++)
		texts[i] = (struct kept_text){elf->texts[i].address, elf->texts[i].offset,
					      elf->texts[i].bytes};
	make_head(&head, plans, elf, origin);
	if (!list_parts(parts, &head, elf, &texts))
		return;
	head.checksum = add_up(0, (uint8_t *)&head + CHECKED_FROM, sizeof(head) - CHECKED_FROM);
	for (size_t i = 0; i < NR_PARTS; i++) {
		head.checksum = add_up(head.checksum, *parts[i].data, parts[i].bytes);
		bytes += parts[i].bytes;
	}
	make_room(plans, bytes);
	name_of(name, &origin->file);
	snprintf(fresh, sizeof(fresh), "new-%d" SUFFIX, (int)getpid());
	path_in(plans, from, sizeof(from), fresh);
	path_in(plans, to, sizeof(to), name);
	fd = io_openat(plans->folder, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	r = write_parts(fd, &head, parts);
	if (io_close(fd) < 0 || r < 0 || io_rename(from, to) < 0)
		(void)!io_unlink(from);
}

void program_plans_keep(struct program_plans *plans, const struct program_elf *elf,
			const char *path, const struct program_origin *origin)
{
	struct program_elf parts = *elf; /* what is written is listed as what is read */
	_cleanup_free_ struct kept_text *texts = NULL;
	struct program_file_state now, debug;
	struct stat st;

	if (!origin->keep || !open_folder(plans) || io_stat(path, &st) < 0)
		return;
	now = state_of(&st);
	debug = debug_state(elf->build_id, elf->build_id_len);
	if (!is_same(&now, &origin->file) || !is_same(&debug, &origin->debug) ||
	    !is_settled(&now) || (debug.inode && !is_settled(&debug)) || program_elf_is_cut(elf))
		return;
	texts = mem_calloc(elf->nr_texts, sizeof(*texts));
	if (texts)
		write_plan(plans, &parts, origin, texts);
}
