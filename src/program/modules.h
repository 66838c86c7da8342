/* SPDX-License-Identifier: MIT */
/*
 * All modules of all processes of a recording: each file is read once, and each image that was made
 * of it is kept for the next process. Private to src/program; one thread, or the caller's lock.
 */
#ifndef SONDE_PROGRAM_MODULES_H
#define SONDE_PROGRAM_MODULES_H

#include <sys/stat.h>

#include "program/serve.h"

struct modules;
struct module;

/* `options` and what it refers to is borrowed. */
int modules_new(struct modules **ret_modules, const struct program_server_options *options)
	_must_check_;
void modules_free(struct modules *modules);

/* By its own name where that leads to the same file here, else /proc/self/fd/FD. */
#define MODULES_PATH_BYTES 4096u
void modules_path(int fd, const struct stat *st, char ret_path[MODULES_PATH_BYTES]);

/* A process has come, and will ask about all that it has: begin with that, if it is new here. */
void modules_expect(struct modules *modules, pid_t pid);

/*
 * The module of an open file, which the process calls `name`. An error when it cannot be traced,
 * -EALREADY when that was told before.
 */
int modules_open(struct modules *modules, int fd, const char *name, struct module **ret_module,
		 struct err *err) _must_check_;

/* Where it lies in a process, and where there is room for an arena. */
struct module_place {
	uint64_t bias, low, high;
};
/*
 * *ret_image is the descriptor of an image (borrowed), or -1 when nothing of the module is chosen.
 * -EALREADY when it could not be made before either.
 */
int modules_image(struct modules *modules, struct module *module, const struct module *program,
		  const struct module_place *place, int *ret_image, struct err *err) _must_check_;

/* Where its code, [low, high) as linked, is among trace addresses; false: it has none there. */
bool modules_place(const struct module *module, uint32_t *ret_base, uint64_t *ret_low,
		   uint64_t *ret_high);

/* Whether there are names that modules_names has not told; program_server_names. */
bool modules_unnamed(const struct modules *modules);
int modules_names(struct modules *modules, struct out *out) _must_check_;
struct program_server_counts modules_counts(const struct modules *modules);
void modules_skipped(const struct modules *modules, program_skipped_fn skipped, void *ctx);

#endif
