/* SPDX-License-Identifier: MIT */
#include "program/modules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "program/ahead.h"
#include "program/names.h"
#include "program/plans.h"

/* Of one module, for processes in which it lies differently; the oldest goes. */
#define IMAGES_MAX    32u
#define NAMES_AT_ONCE 16384u
#define FD_PATH	      "/proc/self/fd/"

struct kept_image {
	const struct module *program; /* whose imports made the choice */
	uint64_t arena;		      /* as linked */
	struct program_image image;
};

struct module {
	dev_t dev;
	ino_t inode;
	struct timespec changed;
	char *name;		 /* where elf is NULL: as the process calls it */
	struct program_elf *elf; /* NULL: cannot be traced */
	struct program_origin origin;
	char *reason;	   /* why */
	uint32_t base;	   /* in the trace address space */
	uint32_t counters; /* the first of its functions' counters; PROGRAM_COUNT */
	bool failed;	   /* its image could not be made */
	bool named;	   /* all of its functions have been told, */
	size_t nr_named;   /* or these */
	struct program_module_probes probes;
	struct kept_image images[IMAGES_MAX];
	size_t nr_images;
	struct module *next;
};

struct modules {
	const struct program_server_options *options;
	struct program_space *space;
	struct program_plans *plans;
	struct ahead *ahead;
	struct module *first;
	struct program_server_counts counts;
};

int modules_new(struct modules **ret_modules, const struct program_server_options *options)
{
	struct modules *modules = mem_zalloc(sizeof(*modules));
	int r;

	if (!modules)
		return -ENOMEM;
	modules->options = options;
	r = program_space_new(&modules->space);
	if (r == 0)
		r = program_plans_new(&modules->plans);
	if (r == 0)
		r = ahead_new(&modules->ahead, modules->plans);
	if (r < 0) {
		modules_free(modules);
		return r;
	}
	*ret_modules = modules;
	return 0;
}

static void module_free(struct module *module)
{
	for (size_t i = 0; i < module->nr_images; i++)
		program_image_done(&module->images[i].image);
	program_module_probes_done(&module->probes);
	program_elf_free(module->elf);
	mem_free(module->name);
	mem_free(module->reason);
	mem_free(module);
}

void modules_free(struct modules *modules)
{
	if (!modules)
		return;
	ahead_free(modules->ahead);
	while (modules->first) {
		struct module *module = modules->first;

		modules->first = module->next;
		if (module->elf)
			program_plans_keep(modules->plans, module->elf, module->elf->path,
					   &module->origin);
		module_free(module);
	}
	program_plans_free(modules->plans);
	program_space_free(modules->space);
	mem_free(modules);
}

/* --- files --- */

/* A process may have other mounts. */
void modules_path(int fd, const struct stat *st, char ret_path[MODULES_PATH_BYTES])
{
	char link[64];
	struct stat other;
	ssize_t n;

	snprintf(link, sizeof(link), FD_PATH "%d", fd);
	n = readlink(link, ret_path, MODULES_PATH_BYTES - 1);
	if (n > 0) {
		ret_path[n] = '\0';
		if (io_stat(ret_path, &other) == 0 && other.st_dev == st->st_dev &&
		    other.st_ino == st->st_ino)
			return;
	}
	snprintf(ret_path, MODULES_PATH_BYTES, "%s", link);
}

/* A file without a name here has the one that the process calls it by. */
static int rename_elf(struct program_elf *elf, const char *name)
{
	const char *slash;
	char *path;

	if (strncmp(elf->path, FD_PATH, strlen(FD_PATH)) != 0)
		return 0;
	path = mem_strdup(name);
	if (!path)
		return -ENOMEM;
	mem_free(elf->path);
	elf->path = path;
	slash = strrchr(path, '/');
	elf->name = slash ? slash + 1 : path;
	return 0;
}

static int add_counters(struct modules *modules, struct module *module)
{
	const struct program_elf *elf = module->elf;
	int r = program_space_add_counters(modules->space, elf, &module->counters);

	for (size_t i = 0; i < elf->nr_functions && r == 0; i++) {
		uint64_t address = module->base + (elf->functions[i].address - elf->text_low);

		/* For who reads counters, when there are any. */
		__atomic_store_n(&modules->options->counters[module->counters + i],
				 (uint32_t)address, __ATOMIC_RELEASE);
	}
	return r;
}

static int open_elf(struct modules *modules, struct module *module, int fd, const struct stat *st,
		    struct err *err)
{
	char path[MODULES_PATH_BYTES];
	int r = 0;

	modules_path(fd, st, path);
	if (!ahead_take(modules->ahead, st, &module->elf, &module->origin))
		r = program_plans_open(modules->plans, &module->elf, path, &module->origin, err);
	if (r == 0 && (!module->name || rename_elf(module->elf, module->name) < 0))
		r = err_sys(err, -ENOMEM, "its name");
	if (r < 0)
		return r;
	r = program_space_add(modules->space, module->elf, &module->base);
	if (r == 0 && modules->options->mode == PROGRAM_COUNT)
		r = add_counters(modules, module);
	if (r < 0)
		return err_sys(err, r, "there is no room for its addresses");
	if (modules->options->probes)
		r = program_probes_apply(modules->options->probes, module->elf, path, module->base,
					 &module->probes, err);
	if (r < 0)
		return r;
	modules->counts.modules++;
	modules->counts.probes += module->probes.image.nr;
	return 0;
}

static struct module *find_module(const struct modules *modules, const struct stat *st)
{
	struct module *module = modules->first;

	while (module && (module->dev != st->st_dev || module->inode != st->st_ino ||
			  memcmp(&module->changed, &st->st_ctim, sizeof(st->st_ctim)) != 0))
		module = module->next;
	return module;
}

static bool is_new(void *ctx, const struct stat *st)
{
	return !find_module(ctx, st);
}

void modules_expect(struct modules *modules, pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (io_stat(path, &st) == 0 && is_new(modules, &st))
		ahead_look(modules->ahead, pid, is_new, modules);
}

int modules_open(struct modules *modules, int fd, const char *name, struct module **ret_module,
		 struct err *err)
{
	struct module *module;
	struct stat st;
	int r = io_fstat(fd, &st);

	if (r == 0 && !S_ISREG(st.st_mode))
		r = -EINVAL;
	if (r < 0)
		return err_sys(err, r, "its file cannot be looked at");
	module = find_module(modules, &st);
	if (module) {
		*ret_module = module;
		return module->elf ? 0 : -EALREADY;
	}
	module = mem_zalloc(sizeof(*module));
	if (!module)
		return err_sys(err, -ENOMEM, "its functions");
	module->dev = st.st_dev;
	module->inode = st.st_ino;
	module->changed = st.st_ctim;
	module->name = mem_strdup(name);
	module->next = modules->first;
	modules->first = module;
	r = open_elf(modules, module, fd, &st, err);
	if (r < 0) {
		program_elf_free(module->elf);
		module->elf = NULL;
		module->reason = mem_strdup(err->text);
		return r;
	}
	*ret_module = module;
	return 0;
}

/* --- images --- */

static struct kept_image *find_image(struct module *module, const struct module *program,
				     const struct module_place *place)
{
	for (size_t i = 0; i < module->nr_images; i++) {
		struct kept_image *kept = &module->images[i];
		uint64_t at = kept->arena + place->bias;

		if (kept->program != program)
			continue;
		if (kept->image.fd < 0 || (at >= place->low && at < place->high &&
					   place->high - at >= kept->image.header.arena_bytes))
			return kept;
	}
	return NULL;
}

static struct kept_image *make_room(struct module *module)
{
	if (module->nr_images == IMAGES_MAX) {
		program_image_done(&module->images[0].image);
		memmove(&module->images[0], &module->images[1],
			(IMAGES_MAX - 1) * sizeof(module->images[0]));
		module->nr_images--;
	}
	return &module->images[module->nr_images];
}

/* Which functions of the module are patched, and how. */
static int choose(struct modules *modules, const struct module *module,
		  const struct module *program, uint8_t **ret_choices, size_t *ret_nr)
{
	size_t nr = 0;
	int r = program_select_apply(modules->options->select, module->elf, program->elf,
				     ret_choices, ret_nr);

	if (r < 0 || !modules->options->watcher)
		return r;
	r = program_watcher_apply(modules->options->watcher, module->elf, module->base,
				  *ret_choices);
	for (size_t i = 0; i < module->elf->nr_functions; i++)
		nr += (*ret_choices)[i] != PROGRAM_CHOICE_NONE;
	*ret_nr = nr;
	return r;
}

static int make_image(struct modules *modules, struct module *module, const struct module *program,
		      const struct module_place *place, struct kept_image **ret_kept,
		      struct err *err)
{
	struct program_image_options options = {
		.mode = modules->options->mode,
		.arena = place->low - place->bias,
		.base = modules->options->mode == PROGRAM_COUNT ? module->counters : module->base,
	};
	_cleanup_free_ uint8_t *choices = NULL;
	struct kept_image *kept = make_room(module);
	size_t nr;
	int r = choose(modules, module, program, &choices, &nr);

	if (r < 0)
		return err_sys(err, r, "the choice of its functions");
	*kept = (struct kept_image){
		.program = program,
		.arena = options.arena,
		.image = PROGRAM_IMAGE_INIT,
	};
	options.choices = choices;
	if (module->probes.image.nr) {
		options.probes = &module->probes.image;
		nr += module->probes.image.nr;
	}
	if (nr && place->high - place->low < program_image_arena_bytes(module->elf, &options))
		return err_set(err, -ENOSPC, "there is no room near it for its stubs");
	if (nr)
		r = program_image_build(&kept->image, module->elf, &options, err);
	if (r < 0)
		return r;
	module->nr_images++;
	modules->counts.images += kept->image.fd >= 0;
	modules->counts.functions += kept->image.nr_patched;
	*ret_kept = kept;
	return 0;
}

int modules_image(struct modules *modules, struct module *module, const struct module *program,
		  const struct module_place *place, int *ret_image, struct err *err)
{
	struct kept_image *kept;
	int r = 0;

	if (!program->elf || place->high < place->low)
		return -EALREADY;
	kept = find_image(module, program, place);
	if (!kept)
		r = make_image(modules, module, program, place, &kept, err);
	if (r < 0) {
		r = module->failed ? -EALREADY : r;
		module->failed = true;
		return r;
	}
	*ret_image = kept->image.fd;
	return 0;
}

/* --- what is told --- */

bool modules_unnamed(const struct modules *modules)
{
	for (const struct module *module = modules->first; module; module = module->next) {
		if (module->elf && !module->named)
			return true;
	}
	return false;
}

bool modules_place(const struct module *module, uint32_t *ret_base, uint64_t *ret_low,
		   uint64_t *ret_high)
{
	if (!module->elf)
		return false;
	*ret_base = module->base;
	*ret_low = module->elf->text_low;
	*ret_high = module->elf->text_high;
	return true;
}

/* Written here, not when a module is opened: more may follow, while the program waits. */
int modules_names(struct modules *modules, struct out *out)
{
	size_t left = NAMES_AT_ONCE;
	bool any = false;

	for (struct module *module = modules->first; module && left; module = module->next) {
		size_t to;

		if (!module->elf || module->named)
			continue;
		to = program_names_write(out, module->elf, module->base, module->nr_named, left);
		left -= to - module->nr_named;
		module->nr_named = to;
		module->named = to == module->elf->nr_functions;
		any = true;
	}
	return out->failed ? -ENOMEM : any;
}

struct program_server_counts modules_counts(const struct modules *modules)
{
	return modules->counts;
}

void modules_skipped(const struct modules *modules, program_skipped_fn skipped, void *ctx)
{
	for (const struct module *module = modules->first; module; module = module->next) {
		const struct program_image *image = &module->images[0].image;

		if (!module->elf)
			skipped(ctx, module->name ? module->name : "?", NULL,
				module->reason ? module->reason : "?");
		for (size_t i = 0; module->nr_images && i < image->nr_skipped; i++) {
			const struct program_image_skipped *of = &image->skipped[i];
			const struct program_function *function =
				&module->elf->functions[of->function];

			skipped(ctx, module->elf->path, program_name(module->elf, function->name),
				program_skip_text(of->skip));
		}
		for (size_t i = 0; i < module->probes.nr_skipped; i++)
			skipped(ctx, module->elf->path, module->probes.skipped[i].name,
				module->probes.skipped[i].reason);
	}
}
