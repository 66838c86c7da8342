/* SPDX-License-Identifier: MIT */
/* What the parts of the probing share. Only src/kernel/features*.c include this. */
#ifndef SONDE_KERNEL_FEATURES_INTERNAL_H
#define SONDE_KERNEL_FEATURES_INTERNAL_H

#include "kernel/events.h"
#include "kernel/features.h"
#include "kernel/instance.h"
#include "kernel/journal.h"
#include "kernel/kconfig.h"

#define FIX_SUDO "run as root: sudo sonde ..."

struct probing {
	struct features *features;
	const char *root;		/* in front of /proc and so on */
	struct tracefs *fs;		/* NULL: cannot be used */
	const char *no_fs;		/* why not */
	struct kernel_journal *journal; /* of what must go again; NULL: cannot be written */
	struct kernel_instance inst;	/* valid with has_inst */
	bool has_inst;
	const char *dir; /* of the instance, else of the top one */
	struct kconfig config;
	struct process_rights rights;
	struct kernel_events events;
	char *readme, *tracers, *own_tracers, *triggers; /* owned; "" when they cannot be read */
};

/* Results. The texts are facts without a final full stop. */
void probe_ok(struct probing *p, enum feature_id id, const char *fmt, ...) _printf_(3, 4);
void probe_limited(struct probing *p, enum feature_id id, enum feature_fixer fixer, const char *fix,
		   const char *fmt, ...) _printf_(5, 6);
/* Not in this kernel: the reason comes from the table and the kernel's configuration. */
void probe_missing(struct probing *p, enum feature_id id);
/* `path` was refused with `code`: the reason comes from the process's rights. */
void probe_refused(struct probing *p, enum feature_id id, int code, const char *path);
/* Not tried, because `reason`; missing all the same when the configuration says so. */
void probe_unknown(struct probing *p, enum feature_id id, const char *reason);
/* By the result of a system call: 0, -ENOENT, -EACCES or -EPERM, anything else. */
void probe_result(struct probing *p, enum feature_id id, int code, const char *path);

/* As `whole` is, which is not there or not in full. */
void probe_as_part(struct probing *p, enum feature_id id, enum feature_id whole);

/* Open and close a file of a directory; 0 or a negative errno. */
int probe_open(const char *dir, const char *file, int flags);
/* There or not, and whether it can be opened. */
void probe_file(struct probing *p, enum feature_id id, const char *dir, const char *file,
		int flags);
/* A small file below p->root as a new string, NULL when it cannot be read. */
char *probe_machine_file(const struct probing *p, const char *path);

/* The groups. */
void probe_access(struct probing *p);
void probe_recording(struct probing *p);
void probe_tracers(struct probing *p);
void probe_probes(struct probing *p);
void probe_summaries(struct probing *p);

/* Why a feature that is missing is missing, in words too. */
enum feature_cause feature_blame(const struct feature_info *info, const struct kconfig *config,
				 const char **ret_culprit, char *ret_reason, size_t size);

#endif
