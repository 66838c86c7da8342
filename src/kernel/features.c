/* SPDX-License-Identifier: MIT */
/*
 * The course of the probing and its results. What is tried: files are opened (never with O_TRUNC,
 * which acts), lists are read, one rare event is switched on and off in an instance of our own,
 * the raw buffer is spliced and mapped, probes are defined, not enabled, and removed. No tracer is
 * set where its files can be opened: that would patch every function of the kernel for everybody.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/out.h"
#include "kernel/features_internal.h"

#define LIST_BYTES (1u << 20)

/* --- results --- */

static struct feature *result(struct probing *p, enum feature_id id, enum feature_state state)
{
	struct feature *feature = &p->features->list[id];
	const struct feature_info *info = feature->info;

	*feature = (struct feature){.info = info, .state = state, .part_of = FEATURE_NONE};
	return feature;
}

void probe_ok(struct probing *p, enum feature_id id, const char *fmt, ...)
{
	struct feature *feature = result(p, id, FEATURE_OK);
	va_list args;

	va_start(args, fmt);
	vsnprintf(feature->detail, sizeof(feature->detail), fmt, args);
	va_end(args);
}

void probe_limited(struct probing *p, enum feature_id id, enum feature_fixer fixer, const char *fix,
		   const char *fmt, ...)
{
	struct feature *feature = result(p, id, FEATURE_LIMITED);
	va_list args;

	feature->cause = FEATURE_CAUSE_OTHER;
	feature->fixer = fixer;
	snprintf(feature->fix, sizeof(feature->fix), "%s", fix);
	va_start(args, fmt);
	vsnprintf(feature->reason, sizeof(feature->reason), fmt, args);
	va_end(args);
}

void probe_missing(struct probing *p, enum feature_id id)
{
	struct feature *f = result(p, id, FEATURE_MISSING);
	const char *since = f->info->since;

	f->fixer = FEATURE_FIX_KERNEL;
	f->cause = feature_blame(f->info, &p->config, &f->culprit, f->reason, sizeof(f->reason));
	switch (f->cause) {
	case FEATURE_CAUSE_VERSION:
		snprintf(f->fix, sizeof(f->fix), "Linux %s or newer", f->culprit);
		break;
	case FEATURE_CAUSE_CONFIG:
	case FEATURE_CAUSE_PROBABLY:
		snprintf(f->fix, sizeof(f->fix), "a kernel%s%s built with %s=y",
			 since ? " since Linux " : "", since ? since : "", f->culprit);
		break;
	default:
		snprintf(f->fix, sizeof(f->fix), "see the kernel's command line and dmesg");
	}
}

void probe_refused(struct probing *p, enum feature_id id, int code, const char *path)
{
	struct feature *f = result(p, id, FEATURE_REFUSED);
	const char *error = code == -EPERM ? "EPERM" : "EACCES";

	f->cause = FEATURE_CAUSE_OTHER;
	switch (process_refusal(&p->rights)) {
	case REFUSED_USER:
		f->fixer = FEATURE_FIX_ROOT;
		snprintf(f->reason, sizeof(f->reason), "%s: permission denied", path);
		snprintf(f->fix, sizeof(f->fix), FIX_SUDO);
		break;
	case REFUSED_CAPS:
		f->fixer = FEATURE_FIX_HOST;
		snprintf(f->reason, sizeof(f->reason), "%s: root has no CAP_SYS_ADMIN here", path);
		snprintf(f->fix, sizeof(f->fix),
			 "run on the host, or give the container CAP_SYS_ADMIN");
		break;
	case REFUSED_LOCKED:
		f->cause = FEATURE_CAUSE_POLICY;
		f->fixer = FEATURE_FIX_BOOT;
		snprintf(f->reason, sizeof(f->reason),
			 "the kernel refuses %s also to root (%s; lockdown: %s)", path, error,
			 p->rights.lockdown);
		snprintf(f->fix, sizeof(f->fix),
			 "boot without lockdown (mostly: Secure Boot off); root cannot lift it");
		break;
	default:
		f->cause = FEATURE_CAUSE_POLICY;
		f->fixer = FEATURE_FIX_BOOT;
		snprintf(f->reason, sizeof(f->reason),
			 "the kernel refuses %s also to root (%s): lockdown or another policy",
			 path, error);
		snprintf(f->fix, sizeof(f->fix),
			 "boot without lockdown (mostly: Secure Boot off) or without the security "
			 "policy that refuses; root cannot lift it");
	}
}

void probe_unknown(struct probing *p, enum feature_id id, const char *reason)
{
	const struct feature_info *info = feature_info(id);
	struct feature *f;

	for (size_t i = 0; i < ARRAY_SIZE(info->config) && info->config[i]; i++) {
		if (kconfig_get(&p->config, info->config[i]) == KCONFIG_OFF) {
			probe_missing(p, id);
			return;
		}
	}
	f = result(p, id, FEATURE_UNKNOWN);
	snprintf(f->reason, sizeof(f->reason), "%s", reason);
}

void probe_result(struct probing *p, enum feature_id id, int code, const char *path)
{
	if (code >= 0)
		probe_ok(p, id, "%s", "");
	else if (code == -ENOENT)
		probe_missing(p, id);
	else if (code == -EPERM || code == -EACCES)
		probe_refused(p, id, code, path);
	else if (code == -ENODEV)
		probe_limited(p, id, FEATURE_FIX_BOOT, "see dmesg; another boot of the machine",
			      "%s: the kernel has shut this part of tracing down (ENODEV)", path);
	else
		probe_limited(p, id, FEATURE_FIX_NOBODY, "see dmesg", "%s: %s", path,
			      err_name(code));
}

void probe_as_part(struct probing *p, enum feature_id id, enum feature_id whole)
{
	struct feature *f = &p->features->list[id];

	*f = p->features->list[whole];
	f->info = feature_info(id);
	f->part_of = whole;
}

/* --- looking --- */

int probe_open(const char *dir, const char *file, int flags)
{
	_cleanup_free_ char *path = tracefs_join(dir, file);
	int fd;

	if (!path)
		return -ENOMEM;
	do {
		fd = io_open(path, flags, 0);
	} while (fd == -EINTR);
	io_close(fd);
	return MIN(fd, 0);
}

void probe_file(struct probing *p, enum feature_id id, const char *dir, const char *file, int flags)
{
	probe_result(p, id, probe_open(dir, file, flags), file);
}

char *probe_machine_file(const struct probing *p, const char *path)
{
	_cleanup_free_ char *whole = tracefs_join(p->root, path + 1);
	char *text = NULL;

	if (!whole || io_read_file(whole, LIST_BYTES, &text, NULL) < 0)
		return NULL;
	return text;
}

static char *list(const char *dir, const char *file)
{
	char *text;

	if (tracefs_read(dir, file, "look what there is", LIST_BYTES, &text, NULL, NULL) < 0)
		return mem_strdup("");
	return text;
}

/* --- the course --- */

static void open_instance(struct probing *p, const struct features_options *options)
{
	struct err err = {0};
	int r = kernel_journal_open(&p->journal, options->state, NULL, &err);

	p->fs->state = options->state;
	if (r == 0 && options->instance)
		r = kernel_instance_open(&p->inst, p->fs, options->instance, p->journal, &err);
	else if (r == 0)
		r = kernel_instance_create(&p->inst, p->fs, p->journal, &err);
	p->has_inst = r == 0;
	if (p->has_inst)
		p->dir = p->inst.path;
	probe_result(p, FEATURE_INSTANCES, r, "instances");
	/* The way to one has more to go wrong than one file's being there. */
	if (r < 0 && r != -EPERM && r != -EACCES && r != -ENOENT)
		probe_limited(p, FEATURE_INSTANCES, FEATURE_FIX_NOBODY, "", "%s", err.text);
}

static int read_lists(struct probing *p)
{
	p->readme = list(p->fs->path, "README");
	p->tracers = list(p->fs->path, "available_tracers");
	p->own_tracers = p->has_inst ? list(p->dir, "available_tracers") : mem_strdup("");
	return p->readme && p->tracers && p->own_tracers ? 0 : -ENOMEM;
}

static void without_tracefs(struct probing *p)
{
	static const struct {
		enum feature_id part, whole;
	} parts[] = {
		{FEATURE_FUNCTION_INSTANCES, FEATURE_FUNCTION},
		{FEATURE_GRAPH_INSTANCES, FEATURE_GRAPH},
		{FEATURE_GRAPH_RETVAL, FEATURE_GRAPH},
		{FEATURE_GRAPH_RETADDR, FEATURE_GRAPH},
		{FEATURE_GRAPH_ARGS, FEATURE_GRAPH},
		{FEATURE_HIST_BUCKETS, FEATURE_HIST},
		{FEATURE_HIST_PERCENT, FEATURE_HIST},
		{FEATURE_HIST_ONCHANGE, FEATURE_HIST},
	};

	for (int id = FEATURE_INSTANCES; id < FEATURE_NR; id++)
		probe_unknown(p, (enum feature_id)id, "not tried: tracefs cannot be used");
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		probe_as_part(p, parts[i].part, parts[i].whole);
}

static void fix_tracefs(struct feature *f, unsigned int euid, int code)
{
	const char *fix = "mount -t tracefs nodev /sys/kernel/tracing";

	f->fixer = FEATURE_FIX_ROOT;
	if (euid != 0) {
		fix = FIX_SUDO;
	} else if (code == -ENODEV) {
		f->fixer = FEATURE_FIX_BOOT;
		fix = "boot without lockdown (mostly: Secure Boot off), or a kernel built with "
		      "CONFIG_TRACING=y";
	} else if (code == -EPERM) {
		f->fixer = FEATURE_FIX_HOST;
		fix = "mount tracefs on the host and pass it in, or give the container "
		      "CAP_SYS_ADMIN";
	}
	snprintf(f->fix, sizeof(f->fix), "%s", fix);
}

static int probe_tracefs(struct probing *p, const struct features_options *options)
{
	struct err err = {0};
	int r = tracefs_open_privately(&p->fs, options->tracefs, &err);
	struct feature *f;

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		f = result(p, FEATURE_TRACEFS,
			   r == -EPERM || r == -EACCES ? FEATURE_REFUSED : FEATURE_MISSING);
		f->cause = FEATURE_CAUSE_OTHER;
		snprintf(f->reason, sizeof(f->reason), "%s", err.text);
		fix_tracefs(f, p->rights.euid, r);
		return 0;
	}
	p->dir = p->fs->path;
	p->features->tracefs = mem_strdup(p->fs->path);
	p->features->cpus = p->fs->cpus;
	if (p->fs->was_mounted)
		probe_ok(p, FEATURE_TRACEFS, "%s", p->fs->path);
	else
		probe_limited(p, FEATURE_TRACEFS, FEATURE_FIX_ROOT,
			      "mount -t tracefs nodev /sys/kernel/tracing",
			      "not mounted; sonde record mounts it by itself");
	return p->features->tracefs ? 0 : -ENOMEM;
}

static void choose_instead(struct features *features)
{
	for (size_t i = 0; i < FEATURE_NR; i++) {
		struct feature *f = &features->list[i];

		if (f->state == FEATURE_OK || f->state == FEATURE_UNKNOWN)
			continue;
		/* What it is a part of stands before it. */
		if (f->part_of != FEATURE_NONE)
			f->instead = features->list[f->part_of].instead;
		for (size_t k = 0; k < ARRAY_SIZE(f->info->instead) && !f->instead; k++) {
			enum feature_id needs = f->info->instead[k].needs;

			if (f->info->instead[k].text &&
			    (needs == FEATURE_NONE || features->list[needs].state == FEATURE_OK))
				f->instead = f->info->instead[k].text;
		}
	}
}

static int probe_all(struct probing *p, const struct features_options *options)
{
	int r = kconfig_load(&p->config, p->root);

	if (r < 0)
		return r;
	p->features->config_path = p->config.path ? mem_strdup(p->config.path) : NULL;
	if (p->config.path && !p->features->config_path)
		return -ENOMEM;
	process_rights_read(&p->rights, p->root);
	r = probe_tracefs(p, options);
	if (r < 0)
		return r;
	if (p->fs) {
		open_instance(p, options);
		r = read_lists(p);
		if (r < 0)
			return r;
		probe_recording(p);
		probe_tracers(p);
		probe_probes(p);
		probe_summaries(p);
	} else {
		without_tracefs(p);
	}
	probe_access(p);
	choose_instead(p->features);
	p->features->records_events = p->features->list[FEATURE_INSTANCES].state == FEATURE_OK &&
				      p->features->list[FEATURE_EVENTS].state == FEATURE_OK &&
				      p->features->list[FEATURE_RAW].state == FEATURE_OK;
	return 0;
}

static void probing_done(struct probing *p)
{
	struct err err, again;
	int r = p->has_inst ? kernel_instance_close(&p->inst, &err) : 0;
	int closed = kernel_journal_close(p->journal, r < 0 ? &again : &err);

	if (r < 0 || closed < 0)
		probe_limited(p, FEATURE_INSTANCES, FEATURE_FIX_ROOT,
			      "sonde restore gives back what is left", "%s", err.text);
	kernel_events_done(&p->events);
	tracefs_close(p->fs);
	kconfig_done(&p->config);
	mem_free(p->readme);
	mem_free(p->tracers);
	mem_free(p->own_tracers);
	mem_free(p->triggers);
}

int features_probe(struct features **ret_features, const struct features_options *options,
		   struct err *err)
{
	struct probing p = {.root = options->root ? options->root : "", .inst = {.lock_fd = -1}};
	struct utsname uts = {0};
	int r;

	p.features = mem_zalloc(sizeof(*p.features));
	if (!p.features)
		return err_sys(err, -ENOMEM, "cannot look what this kernel can do");
	for (size_t i = 0; i < FEATURE_NR; i++)
		p.features->list[i].info = feature_info((enum feature_id)i);
	if (uname(&uts) == 0) {
		snprintf(p.features->release, sizeof(p.features->release), "%s", uts.release);
		snprintf(p.features->machine, sizeof(p.features->machine), "%s", uts.machine);
	}
	p.features->cpus = (unsigned int)MAX(sysconf(_SC_NPROCESSORS_CONF), 1);
	r = probe_all(&p, options);
	probing_done(&p);
	if (r < 0) {
		features_free(p.features);
		return err_sys(err, r, "cannot look what this kernel can do");
	}
	*ret_features = p.features;
	return 0;
}

void features_free(struct features *features)
{
	if (!features)
		return;
	mem_free(features->tracefs);
	mem_free(features->config_path);
	mem_free(features);
}
