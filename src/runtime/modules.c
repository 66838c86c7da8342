/* SPDX-License-Identifier: MIT */
/*
 * The modules of the process: which ones there are, and the images that the recorder makes of them,
 * mapped. At the start, and after each dlopen, when the loader holds its lock.
 */
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>

#include "runtime/runtime.h"
#include "runtime/sys.h"

#define MODULES_MAX 1024u

/* Distances within which everything of a module reaches everything of its arena: +-2 GiB. */
#define CLUSTER_BELOW	    0x50000000ull /* from the module's data down to the cluster */
#define CLUSTER_BYTES	    0x30000000ull
#define CLUSTER_ABOVE	    0x50000000ull /* where there is no room below: not position-independent */
#define CLUSTER_ABOVE_BYTES 0x20000000ull
#define LOW_PROGRAM	    0x100000000ull

struct rt_range rt_clusters[2];
static uint64_t cluster_free[2]; /* the next arena */

struct module {
	uint64_t bias, dynamic; /* 0: free */
	bool seen;
	uint64_t text_low, text_bytes; /* its code in the process */
	uint32_t base;		       /* of that among trace addresses */
	struct rt_arena arena;	       /* size 0: not patched */
	struct rt_debugger_file file;
};
static struct module modules[MODULES_MAX];
static uint32_t nr_modules;

const struct rt_arena *rt_arena_find(uint64_t address)
{
	if (address - rt_clusters[0].low >= rt_clusters[0].size &&
	    address - rt_clusters[1].low >= rt_clusters[1].size)
		return NULL;
	for (uint32_t i = 0; i < nr_modules; i++) {
		const struct rt_arena *arena = &modules[i].arena;

		if (address - arena->low < arena->size)
			return arena;
	}
	return NULL;
}

uint64_t rt_trace_address(uint64_t address)
{
	for (uint32_t i = 0; i < nr_modules; i++) {
		const struct module *module = &modules[i];

		if (address - module->text_low < module->text_bytes)
			return module->base + (address - module->text_low);
	}
	return address;
}

int rt_arenas_each(int (*each)(const struct rt_arena *arena, void *data), void *data)
{
	int r = 0;

	for (uint32_t i = 0; i < nr_modules && r == 0; i++) {
		if (modules[i].arena.size)
			r = each(&modules[i].arena, data);
	}
	return r;
}

/* --- clusters --- */

static bool reserve(struct rt_range *cluster, uint64_t low, uint64_t size)
{
	long at =
		sys_mmap(low, size, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (sys_failed(at))
		return false;
	if ((uint64_t)at != low) {
		sys_3(SYS_munmap, at, (long)size, 0);
		return false;
	}
	sys_3(SYS_madvise, at, (long)size, MADV_DONTDUMP);
	*cluster = (struct rt_range){low, size};
	return true;
}

/* Near the program, and below the lowest of its libraries: at distances that are always the same,
 * so that processes of one program can share images. */
static void reserve_clusters(int socket)
{
	const struct link_map *map = rt_loader_state()->r_map;
	uint64_t program = (uint64_t)map->l_ld & -(uint64_t)PROGRAM_PAGE_BYTES, lowest = UINT64_MAX;
	bool low = program < LOW_PROGRAM;

	while ((map = map->l_next)) {
		if (map->l_addr && map->l_addr < lowest && map->l_name[0] == '/')
			lowest = map->l_addr;
	}
	if (!reserve(&rt_clusters[0], low ? program + CLUSTER_ABOVE : program - CLUSTER_BELOW,
		     low ? CLUSTER_ABOVE_BYTES : CLUSTER_BYTES))
		rt_fail(socket, PROGRAM_FAILURE_ARENA, -12 /* ENOMEM */, "");
	if (lowest != UINT64_MAX &&
	    !reserve(&rt_clusters[1], (lowest & -(uint64_t)PROGRAM_PAGE_BYTES) - CLUSTER_BELOW,
		     CLUSTER_BYTES))
		rt_fail(socket, PROGRAM_FAILURE_ARENA, -12 /* ENOMEM */, "");
	cluster_free[0] = rt_clusters[0].low;
	cluster_free[1] = rt_clusters[1].low;
}

/* --- mapping an image --- */

struct image {
	struct program_image_header header;
	struct program_image_run runs[PROGRAM_IMAGE_RUNS_MAX];
};

/* Of functions that are not named by -g, or of all without it; of those that are. */
struct handlers {
	void (*entry)(void), (*exit)(void), (*entry_only)(void);
	void (*root_entry)(void), (*root_exit)(void);
};

static void put_words(uint64_t *words, const struct handlers *use)
{
	words[PROGRAM_WORD_ENTRY] = (uint64_t)use->entry;
	words[PROGRAM_WORD_EXIT] = (uint64_t)use->exit;
	words[PROGRAM_WORD_ENTRY_ONLY] = (uint64_t)use->entry_only;
	words[PROGRAM_WORD_ROOT_ENTRY] = (uint64_t)use->root_entry;
	words[PROGRAM_WORD_ROOT_EXIT] = (uint64_t)use->root_exit;
}

static void fill_words(uint64_t *words)
{
	/* By --thresh, --max-graph-depth, -g. */
	static const struct handlers handlers[2][2][2] = {
		{{{rt_entry, rt_exit, rt_entry_only, rt_entry, rt_exit},
		  {rt_inside_entry, rt_exit, rt_inside_entry_only, rt_root_entry, rt_root_exit}},
		 {{rt_depth_entry, rt_depth_exit, rt_depth_entry_only, rt_depth_entry,
		   rt_depth_exit},
		  {rt_inside_depth_entry, rt_depth_exit, rt_inside_depth_entry_only,
		   rt_root_depth_entry, rt_root_depth_exit}}},
		{{{rt_long_entry, rt_long_exit, rt_long_entry_only, rt_long_entry, rt_long_exit},
		  {rt_inside_long_entry, rt_long_exit, rt_long_entry_only, rt_root_long_entry,
		   rt_root_long_exit}},
		 {{rt_depth_long_entry, rt_depth_long_exit, rt_long_entry_only, rt_depth_long_entry,
		   rt_depth_long_exit},
		  {rt_inside_depth_long_entry, rt_depth_long_exit, rt_long_entry_only,
		   rt_root_depth_long_entry, rt_root_depth_long_exit}}},
	};
	/* The same without --thresh: what took long is asked about when it is written. */
	static const struct handlers watched[2][2] = {
		{{rt_watched_entry, rt_watched_exit, rt_watched_entry_only, rt_watched_entry,
		  rt_watched_exit},
		 {rt_watched_inside_entry, rt_watched_exit, rt_watched_inside_entry_only,
		  rt_watched_root_entry, rt_watched_root_exit}},
		{{rt_watched_depth_entry, rt_watched_depth_exit, rt_watched_depth_entry_only,
		  rt_watched_depth_entry, rt_watched_depth_exit},
		 {rt_watched_inside_depth_entry, rt_watched_depth_exit,
		  rt_watched_inside_depth_entry_only, rt_watched_root_depth_entry,
		  rt_watched_root_depth_exit}},
	};
	static const struct handlers counted = {rt_hist_entry, rt_hist_exit, rt_long_entry_only,
						rt_hist_entry, rt_hist_exit};
	bool is_long = rt_plan.threshold != 0, has_depth = rt_plan.max_depth != 0;
	bool has_roots = rt_plan.flags & PROGRAM_SESSION_ROOTS;
	const struct handlers *use = &handlers[is_long][has_depth][has_roots];

	put_words(words, use);
	put_words(words + PROGRAM_WORD_WATCHED, is_long ? use : &watched[has_depth][has_roots]);
	if (rt_hists()) {
		put_words(words, &counted);
		put_words(words + PROGRAM_WORD_WATCHED, &counted);
	}
	if (rt_plan.mode == PROGRAM_SESSION_COUNT)
		words[PROGRAM_WORD_ENTRY_ONLY] = (uint64_t)rt_count;
	words[PROGRAM_WORD_PROBE] = (uint64_t)rt_probe;
	words[PROGRAM_WORD_RETURN_ENTRY] = (uint64_t)rt_return_entry;
	words[PROGRAM_WORD_RETURN] = (uint64_t)rt_return;
}

static int map_arena(const struct program_image_header *header, uint64_t arena, int fd)
{
	long at = sys_mmap(arena, PROGRAM_WORDS_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (sys_failed(at))
		return (int)at;
	fill_words((uint64_t *)at);
	rt_debugger_write(header, arena);
	at = sys_3(SYS_mprotect, at, PROGRAM_WORDS_BYTES, PROT_READ);
	if (!sys_failed(at))
		at = sys_mmap(arena + PROGRAM_WORDS_BYTES, header->stubs_bytes,
			      PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd,
			      header->stubs_offset);
	return sys_failed(at) ? (int)at : 0;
}

/* Smaller code is read faster than /proc. */
#define READ_BYTES_MAX (1u << 20)

/* `file` is what the image was made of. */
static bool is_as_planned(const struct image *image, uint64_t bias, int file)
{
	uint32_t nr = image->header.nr_runs;
	const struct program_image_run *last = nr ? &image->runs[nr - 1] : NULL;
	uint64_t bytes = nr ? last->address + last->checked - image->runs[0].address : 0;

	if (bytes > READ_BYTES_MAX && rt_is_untouched(file, image->runs[0].address + bias, bytes))
		return true;
	for (uint32_t i = 0; i < nr; i++) {
		const struct program_image_run *run = &image->runs[i];

		if (program_checksum((const void *)(run->address + bias), run->checked) !=
		    run->checksum)
			return false;
	}
	return true;
}

/* The stubs first: the code that jumps to them comes last. */
static int map_image(const struct image *image, struct module *module, uint64_t arena, int fd)
{
	const struct program_image_header *header = &image->header;
	int r = map_arena(header, arena, fd);

	for (uint32_t i = 0; i < header->nr_runs && r == 0; i++) {
		const struct program_image_run *run = &image->runs[i];
		long at = sys_mmap(run->address + module->bias, run->length, PROT_READ | PROT_EXEC,
				   MAP_PRIVATE | MAP_FIXED, fd, run->offset);

		r = sys_failed(at) ? (int)at : 0;
	}
	if (r < 0)
		return r;
	module->arena = (struct rt_arena){
		.low = arena,
		.size = PROGRAM_WORDS_BYTES + header->stubs_bytes,
		.eh_frame_hdr = arena + PROGRAM_WORDS_BYTES + header->eh_frame_hdr,
	};
	rt_debugger_add(&module->file, &module->arena);
	rt_probes_begin(header, arena);
	return 0;
}

/* The image that the recorder made of a file. */
struct use {
	const char *name;
	uint32_t cluster;
	int file, image;
};

static void use_image(int socket, struct module *module, const struct use *use)
{
	static struct image image;
	const struct program_image_header *header = &image.header;
	uint64_t arena, end;
	int r;

	if (raw_syscall(SYS_pread64, use->image, (long)&image, sizeof(image), 0, 0, 0) <
		    (long)sizeof(image.header) ||
	    header->magic != PROGRAM_IMAGE_MAGIC || header->version != PROGRAM_IMAGE_VERSION ||
	    header->nr_runs > PROGRAM_IMAGE_RUNS_MAX) {
		rt_fail(socket, PROGRAM_FAILURE_MAP, -71 /* EPROTO */, use->name);
		return;
	}
	arena = header->arena + module->bias;
	end = arena + PROGRAM_WORDS_BYTES + header->stubs_bytes;
	if (arena < cluster_free[use->cluster] ||
	    end > rt_clusters[use->cluster].low + rt_clusters[use->cluster].size || end < arena) {
		rt_fail(socket, PROGRAM_FAILURE_ARENA, -34 /* ERANGE */, use->name);
		return;
	}
	if (!is_as_planned(&image, module->bias, use->file)) {
		rt_fail(socket, PROGRAM_FAILURE_CHANGED, -116 /* ESTALE */, use->name);
		return;
	}
	cluster_free[use->cluster] = end;
	r = map_image(&image, module, arena, use->image);
	if (r < 0)
		rt_fail(socket, PROGRAM_FAILURE_MAP, r, use->name);
}

/* --- one module --- */

static void trace_module(int socket, struct module *module, const struct link_map *map,
			 uint32_t flags)
{
	static struct program_module packet;
	const bool is_program = flags & PROGRAM_MODULE_IS_PROGRAM;
	const bool is_known = flags & PROGRAM_MODULE_IS_KNOWN;
	struct program_answer answer;
	const char *name = is_program ? "/proc/self/exe" : map->l_name;
	uint32_t cluster = is_program ? 0 : 1;
	size_t len = strlen(name);
	int fd, image_fd;

	if (name[0] != '/' || len >= sizeof(packet.name) || !rt_clusters[cluster].size)
		return;
	fd = (int)sys_3(SYS_open, (long)name, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0 && is_program && rt_program_path)
		fd = (int)sys_3(SYS_open, (long)rt_program_path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	packet.packet = PROGRAM_MODULE;
	packet.flags = flags;
	packet.bias = map->l_addr;
	packet.low = cluster_free[cluster];
	packet.high = rt_clusters[cluster].low + rt_clusters[cluster].size;
	memcpy(packet.name, name, len + 1);
	if (rt_send(socket, &packet, offsetof(struct program_module, name) + len + 1, fd) >= 0 &&
	    rt_receive(socket, &answer, sizeof(answer), &image_fd) == (long)sizeof(answer)) {
		module->base = answer.base;
		module->text_low = answer.text_low + map->l_addr;
		module->text_bytes = answer.text_high - answer.text_low;
		if (answer.packet == PROGRAM_IMAGE && !is_known && image_fd >= 0)
			use_image(socket, module, &(struct use){name, cluster, fd, image_fd});
		if (image_fd >= 0)
			sys_3(SYS_close, image_fd, 0, 0);
	}
	sys_3(SYS_close, fd, 0, 0);
}

/* --- the list --- */

static struct module *find(const struct link_map *map)
{
	for (uint32_t i = 0; i < nr_modules; i++) {
		if (modules[i].dynamic == (uint64_t)map->l_ld && modules[i].bias == map->l_addr)
			return &modules[i];
	}
	return NULL;
}

static struct module *add(const struct link_map *map)
{
	uint32_t i = 0;

	while (i < nr_modules && modules[i].dynamic)
		i++;
	if (i == MODULES_MAX)
		return NULL;
	modules[i] = (struct module){.bias = map->l_addr, .dynamic = (uint64_t)map->l_ld};
	/* Whoever unwinds in another thread sees a whole entry. */
	if (i == nr_modules)
		__atomic_store_n(&nr_modules, i + 1, __ATOMIC_RELEASE);
	return &modules[i];
}

/* This library's own dynamic section; by its name the compiler would find the program's. */
static const void *own_dynamic(void)
{
	const void *at;

	__asm__("leaq _DYNAMIC(%%rip), %0" : "=r"(at));
	return at;
}

/*
 * This library and the loader are never patched; nor is what has no file. musl's loader is its
 * libc, of which the child of posix_spawn runs a part, in its parent's memory and on its very
 * stack: it would write as its parent does, but the kernel does not restart its sequences.
 */
static bool is_never(const struct link_map *map)
{
	return map->l_ld == own_dynamic() || map->l_addr == rt_loader_state()->r_ldbase ||
	       (map != rt_loader_state()->r_map && map->l_name[0] != '/');
}

/* What was unloaded; another module may come to its place. */
static bool forget_unloaded(void)
{
	bool any_new = false;

	for (uint32_t i = 0; i < nr_modules; i++)
		modules[i].seen = false;
	for (const struct link_map *map = rt_loader_state()->r_map; map; map = map->l_next) {
		struct module *module = find(map);

		if (module)
			module->seen = true;
		else if (!is_never(map))
			any_new = true;
	}
	for (uint32_t i = 0; i < nr_modules; i++) {
		if (modules[i].seen)
			continue;
		rt_debugger_remove(&modules[i].file);
		modules[i] = (struct module){0};
	}
	return any_new;
}

/* The next new one, from this one on. */
static const struct link_map *next_new(const struct link_map *map)
{
	while (map && (is_never(map) || find(map)))
		map = map->l_next;
	return map;
}

void rt_modules_trace(int socket, bool first)
{
	const struct link_map *map = rt_loader_state()->r_map, *next;

	if (first)
		reserve_clusters(socket);
	for (bool is_program = true; map; map = next, is_program = false) {
		struct module *module = find(map);
		uint32_t flags = is_program ? PROGRAM_MODULE_IS_PROGRAM : 0;

		if (module)
			flags |= PROGRAM_MODULE_IS_KNOWN;
		else
			module = add(map);
		next = next_new(map->l_next);
		if (!next)
			flags |= PROGRAM_MODULE_IS_LAST;
		if (module)
			trace_module(socket, module, map, flags);
	}
}

/* --- other namespaces --- */

/*
 * What dlmopen loads runs with a libc, and perhaps an unwinder, of its own, in which nothing is
 * interposed: exceptions would not pass stubs, and a child of vfork would not be known. So it is
 * not traced, which is said. glibc tells debuggers of namespaces from 2.35 on.
 */
#define NAMESPACES_MAX 16u
#define HAS_NAMESPACES 2

struct namespaces {
	struct r_debug state;
	const struct namespaces *next;
};
static const void *told[NAMESPACES_MAX]; /* whose first module has been told */

static const struct namespaces *next_namespace(const struct namespaces *namespace)
{
	return rt_loader_state()->r_version >= HAS_NAMESPACES ? namespace->next : NULL;
}

/* Tell of those that are new; false: none is, or not yet. Without a socket nothing is told. */
static bool tell_namespaces(int socket)
{
	const struct namespaces *at = (const void *)rt_loader_state();
	bool any = false;

	for (uint32_t i = 0; i < NAMESPACES_MAX && (at = next_namespace(at)); i++) {
		const struct link_map *first = at->state.r_map;

		if (!first || at->state.r_state != RT_CONSISTENT || told[i] == first->l_ld)
			continue;
		any = true;
		if (socket < 0)
			continue;
		told[i] = first->l_ld;
		rt_fail(socket, PROGRAM_FAILURE_NAMESPACE, 0, first->l_name);
	}
	return any;
}

void rt_modules_changed(void)
{
	bool any_new = rt_loader_state()->r_state == RT_CONSISTENT && forget_unloaded();
	struct program_session session;
	int socket, fd;

	if (!any_new && !tell_namespaces(-1))
		return;
	socket = rt_connect(&session, &fd);
	if (socket < 0)
		return;
	sys_3(SYS_close, fd, 0, 0);
	if (any_new)
		rt_modules_trace(socket, false);
	tell_namespaces(socket);
	sys_3(SYS_close, socket, 0, 0);
}
