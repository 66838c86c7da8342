/* SPDX-License-Identifier: MIT */
/*
 * Why tracefs said no. The errno alone is misleading: EPERM for root is lockdown or a missing
 * capability, ENOENT a kernel built without the feature, EBUSY another tool. Decided by looking at
 * the machine, never by the kernel's version.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/features.h"
#include "kernel/tracefs.h"

bool tracefs_lockdown(char *ret_mode, size_t size)
{
	struct process_rights rights;

	process_rights_read(&rights, NULL);
	if (!rights.lockdown[0] || !strcmp(rights.lockdown, "none"))
		return false;
	snprintf(ret_mode, size, "%s", rights.lockdown);
	return true;
}

/* The top directory of a tracefs that `path` is in, cut in place. */
static void cut_to_top(char *path)
{
	static const char *const below[] = {"/instances/", "/events/", "/options/", "/per_cpu/"};
	char *end = strrchr(path, '/');

	for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
		char *found = strstr(path, below[i]);

		if (found && found < end)
			end = found;
	}
	if (end)
		*end = '\0';
}

static int explain_permission(struct err *err, int code, const char *what, const char *path)
{
	const char *name = strrchr(path, '/'), *instead = NULL;
	const struct feature_info *info = feature_of_file(name ? name + 1 : path);
	_cleanup_free_ char *top = mem_strdup(path);
	struct tracefs fs = {.path = top};
	struct process_rights rights;
	char policy[64];

	process_rights_read(&rights, NULL);
	if (info && top) {
		cut_to_top(top);
		instead = feature_instead(info, &fs);
	}
	switch (process_refusal(&rights)) {
	case REFUSED_USER:
		return err_set(err, code,
			       "cannot %s: %s: permission denied; run as root (sudo sonde ...), or "
			       "let root open tracefs to a group you are in (mount -o "
			       "remount,gid=GROUP)",
			       what, path);
	case REFUSED_CAPS:
		return err_set(err, code,
			       "cannot %s: %s: refused, root has no CAP_SYS_ADMIN here (a "
			       "container?); run on the host or give the container that capability",
			       what, path);
	default:
		return err_set(
			err, code,
			"cannot %s: %s: the kernel refuses it also to root (%s); only another "
			"boot changes that (see sonde doctor)%s%s",
			what, path, process_policy(&rights, policy, sizeof(policy)),
			instead ? "; instead: " : "", instead ? instead : "");
	}
}

static int explain_missing(struct err *err, int code, const char *what, const char *path)
{
	const char *name = strrchr(path, '/');
	const struct feature_info *info = feature_of_file(name ? name + 1 : path);
	_cleanup_free_ char *top = mem_strdup(path);
	struct tracefs fs = {.path = top};

	if (!info || !top)
		return err_set(err, code, "cannot %s: %s does not exist in this kernel", what,
			       path);
	cut_to_top(top);
	return feature_missing(err, code, info, &fs, "cannot %s: this kernel has no %s", what,
			       path);
}

int tracefs_explain(struct err *err, int code, const char *what, const char *path)
{
	if (!err)
		return code;
	switch (code) {
	case -EPERM:
	case -EACCES:
		return explain_permission(err, code, what, path);
	case -ENOENT:
		return explain_missing(err, code, what, path);
	case -EBUSY:
		return err_set(err, code,
			       "cannot %s: %s is in use by another program (something reads its "
			       "trace_pipe, or maps its buffer)",
			       what, path);
	case -ENODEV:
		return err_set(err, code,
			       "cannot %s: %s: the kernel has shut this part of tracing down "
			       "(see dmesg)",
			       what, path);
	case -EROFS:
		return err_set(err, code, "cannot %s: %s is mounted read-only here (a container?)",
			       what, path);
	case -ENOMEM:
		return err_set(err, code,
			       "cannot %s: %s: not enough memory; ask for a smaller buffer (-b)",
			       what, path);
	case -EEXIST:
		return err_set(err, code, "cannot %s: %s has it already", what, path);
	case -EOPNOTSUPP:
		return err_set(err, code, "cannot %s: %s: this kernel cannot do it", what, path);
	case -ENOSPC:
		return err_set(err, code, "cannot %s: %s: the kernel has no room left for it", what,
			       path);
	case -EINVAL:
		return err_set(err, code, "cannot %s: %s does not take this value", what, path);
	default:
		return err_sys(err, code, "cannot %s: %s", what, path);
	}
}
