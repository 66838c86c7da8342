/* SPDX-License-Identifier: MIT */
/*
 * Why tracefs said no. The errno alone is misleading: EPERM for root is lockdown or a missing
 * capability, ENOENT a kernel built without the feature, EBUSY another tool. Decided by looking at
 * the machine, never by the kernel's version.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "kernel/tracefs.h"

#define CAP_SYS_ADMIN_BIT 21
#define LOCKDOWN_FILE	  "/sys/kernel/security/lockdown"

/* Files that exist only with a configuration option. */
static const struct {
	const char *name, *config;
} feature_files[] = {
	{"set_ftrace_filter", "CONFIG_DYNAMIC_FTRACE"},
	{"set_ftrace_notrace", "CONFIG_DYNAMIC_FTRACE"},
	{"available_filter_functions", "CONFIG_DYNAMIC_FTRACE"},
	{"set_ftrace_pid", "CONFIG_FUNCTION_TRACER"},
	{"set_graph_function", "CONFIG_FUNCTION_GRAPH_TRACER"},
	{"set_graph_notrace", "CONFIG_FUNCTION_GRAPH_TRACER"},
	{"max_graph_depth", "CONFIG_FUNCTION_GRAPH_TRACER"},
	{"function_profile_enabled", "CONFIG_FUNCTION_PROFILER"},
	{"stack_trace", "CONFIG_STACK_TRACER"},
	{"snapshot", "CONFIG_TRACER_SNAPSHOT"},
	{"kprobe_events", "CONFIG_KPROBE_EVENTS"},
	{"uprobe_events", "CONFIG_UPROBE_EVENTS"},
	{"synthetic_events", "CONFIG_SYNTH_EVENTS"},
	{"hist", "CONFIG_HIST_TRIGGERS"},
	{"buffer_subbuf_size_kb", "a kernel of 6.8 or newer"},
	{"instances", "a kernel of 3.10 or newer"},
};

bool tracefs_lockdown(char *ret_mode, size_t size)
{
	_cleanup_free_ char *text = NULL;
	char *open, *close;

	if (io_read_file(LOCKDOWN_FILE, 4096, &text, NULL) < 0)
		return false;
	open = strchr(text, '[');
	close = open ? strchr(open, ']') : NULL;
	if (!close)
		return false;
	*close = '\0';
	snprintf(ret_mode, size, "%s", open + 1);
	return strcmp(open + 1, "none") != 0;
}

static bool has_sys_admin(void)
{
	_cleanup_free_ char *text = NULL;
	unsigned long long caps = 0;
	const char *line;

	if (io_read_file("/proc/self/status", 65536, &text, NULL) < 0)
		return true;
	line = strstr(text, "\nCapEff:");
	return !line || sscanf(line, "\nCapEff: %llx", &caps) != 1 ||
	       (caps >> CAP_SYS_ADMIN_BIT & 1);
}

static const char *config_of(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	for (size_t i = 0; i < ARRAY_SIZE(feature_files); i++) {
		if (!strcmp(feature_files[i].name, name))
			return feature_files[i].config;
	}
	return NULL;
}

static int explain_permission(struct err *err, int code, const char *what, const char *path)
{
	char mode[32];

	if (geteuid() != 0)
		return err_set(err, code,
			       "cannot %s: %s: permission denied; run as root (sudo sonde ...), or "
			       "let root open tracefs to a group you are in (mount -o "
			       "remount,gid=GROUP)",
			       what, path);
	if (!has_sys_admin())
		return err_set(err, code,
			       "cannot %s: %s: refused, root has no CAP_SYS_ADMIN here (a "
			       "container?); run on the host or give the container that capability",
			       what, path);
	if (tracefs_lockdown(mode, sizeof(mode)))
		return err_set(err, code,
			       "cannot %s: %s: the kernel's policy refuses it, also to root "
			       "(lockdown: %s)",
			       what, path, mode);
	return err_set(err, code,
		       "cannot %s: %s: refused by a security policy, also to root (see dmesg)",
		       what, path);
}

static int explain_missing(struct err *err, int code, const char *what, const char *path)
{
	const char *config = config_of(path);

	if (config)
		return err_set(err, code, "cannot %s: this kernel has no %s (it needs %s)", what,
			       path, config);
	return err_set(err, code, "cannot %s: %s does not exist in this kernel", what, path);
}

int tracefs_explain(struct err *err, int code, const char *what, const char *path)
{
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
	case -EINVAL:
		return err_set(err, code, "cannot %s: %s does not take this value", what, path);
	default:
		return err_sys(err, code, "cannot %s: %s", what, path);
	}
}
