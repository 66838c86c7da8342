/* SPDX-License-Identifier: MIT */
/* Why a feature is not there: the kernel's configuration, its age, or this process's rights. */
#include <errno.h>
#include <linux/mount.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/out.h"
#include "kernel/features_internal.h"

#define CAP_SYS_ADMIN_BIT 21
#define LOCKDOWN_BYTES	  4096
#define LOCKDOWN_FILE	  "/sys/kernel/security/lockdown"

/* A part of another feature, as a hist modifier is: its options say nothing about it. */
static bool has_own_options(const struct feature_info *info)
{
	return info->config[0] && (info->file || info->tracer || !info->since);
}

static enum feature_cause blame_config(const struct feature_info *info, const char *option,
				       enum kconfig_value value, const char *where,
				       char *ret_reason, size_t size)
{
	if (value == KCONFIG_UNKNOWN) {
		snprintf(ret_reason, size, "probably built without %s%s%s", option,
			 info->since ? ", which came with Linux " : "",
			 info->since ? info->since : "");
		return FEATURE_CAUSE_PROBABLY;
	}
	if (value == KCONFIG_OFF)
		snprintf(ret_reason, size, "built without %s (%s)", option, where);
	else
		snprintf(ret_reason, size, "%s is not in the kernel's configuration (%s)%s%s",
			 option, where, info->since ? "; it came with Linux " : "",
			 info->since ? info->since : "");
	return FEATURE_CAUSE_CONFIG;
}

enum feature_cause feature_blame(const struct feature_info *info, const struct kconfig *config,
				 const char **ret_culprit, char *ret_reason, size_t size)
{
	size_t last = 0;

	while (last < ARRAY_SIZE(info->config) && info->config[last])
		last++;
	for (size_t i = 0; i < last; i++) {
		enum kconfig_value value = kconfig_get(config, info->config[i]);

		if (value == KCONFIG_ON || value == KCONFIG_MODULE)
			continue;
		/* Nothing is known: the innermost option is the likeliest. */
		*ret_culprit = info->config[value == KCONFIG_UNKNOWN ? last - 1 : i];
		return blame_config(info, *ret_culprit, value, config->path, ret_reason, size);
	}
	if (has_own_options(info)) {
		*ret_culprit = NULL;
		snprintf(ret_reason, size,
			 "%s is on, yet the kernel does not offer it (a boot parameter, or see "
			 "dmesg)",
			 info->config[last - 1]);
		return FEATURE_CAUSE_OTHER;
	}
	*ret_culprit = info->since;
	snprintf(ret_reason, size, "not in this kernel%s%s",
		 info->since ? "; it came with Linux " : "", info->since ? info->since : "");
	return info->since ? FEATURE_CAUSE_VERSION : FEATURE_CAUSE_OTHER;
}

void feature_why_missing(const struct feature_info *info, char *ret_text, size_t size)
{
	_cleanup_(kconfig_done) struct kconfig config = {0};
	const char *culprit;

	if (kconfig_load(&config, "") < 0)
		config = (struct kconfig){0};
	feature_blame(info, &config, &culprit, ret_text, size);
}

bool feature_is_off(const struct feature_info *info, char *ret_why, size_t size)
{
	_cleanup_(kconfig_done) struct kconfig config = {0};
	const char *culprit;
	char why[200];

	if (kconfig_load(&config, "") < 0 ||
	    feature_blame(info, &config, &culprit, why, sizeof(why)) != FEATURE_CAUSE_CONFIG ||
	    kconfig_get(&config, culprit) != KCONFIG_OFF)
		return false;
	snprintf(ret_why, size, "%s", why);
	return true;
}

/* Whether a feature can be had, as far as a look at names tells. */
static bool seems_there(const struct feature_info *info, const struct tracefs *fs)
{
	const char *file = info->tracer ? "available_tracers" : "README";
	_cleanup_free_ char *text = NULL;

	if (info->file && !info->tracer && !tracefs_exists(fs->path, info->file))
		return false;
	if (!info->tracer && !info->words)
		return true;
	if (tracefs_read(fs->path, file, "look what there is", 1u << 20, &text, NULL, NULL) < 0)
		return false;
	return info->tracer ? tracefs_list_has(text, info->tracer)
			    : strstr(text, info->words) != NULL;
}

const char *feature_instead(const struct feature_info *info, const struct tracefs *fs)
{
	for (size_t i = 0; i < ARRAY_SIZE(info->instead) && info->instead[i].text; i++) {
		enum feature_id needs = info->instead[i].needs;

		if (needs == FEATURE_NONE || seems_there(feature_info(needs), fs))
			return info->instead[i].text;
	}
	return NULL;
}

int feature_missing(struct err *err, int code, const struct feature_info *info,
		    const struct tracefs *fs, const char *fmt, ...)
{
	char what[300], why[200];
	const char *instead;
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (!info)
		return err_set(err, code, "%s", what);
	feature_why_missing(info, why, sizeof(why));
	instead = fs ? feature_instead(info, fs) : NULL;
	return err_set(err, code, "%s: %s%s%s", what, why, instead ? "; instead: " : "",
		       instead ? instead : "");
}

/*
 * securityfs is mounted by the init system, and a small machine's does not. Root can look into a
 * mount that stands nowhere and ends with its descriptor. Returns a descriptor or -errno.
 */
static int open_securityfs(void)
{
	_cleanup_close_ int fs = (int)syscall(SYS_fsopen, "securityfs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
	return fd < 0 ? -errno : fd;
}

static char *lockdown_unmounted(void)
{
	_cleanup_close_ int fd = open_securityfs();
	char path[64], *text = NULL;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/lockdown", fd);
	return fd < 0 || io_read_file(path, LOCKDOWN_BYTES, &text, NULL) < 0 ? NULL : text;
}

static void read_lockdown(struct process_rights *rights, const char *root)
{
	_cleanup_out_ struct out path = {0};
	_cleanup_free_ char *text = NULL;
	char *open, *close;
	int r;

	out_printf(&path, "%s%s", root, LOCKDOWN_FILE);
	r = path.failed ? -ENOMEM : io_read_file(out_cstr(&path), LOCKDOWN_BYTES, &text, NULL);
	if (r == -ENOENT && !*root)
		text = lockdown_unmounted();
	if (!text)
		return;
	open = strchr(text, '[');
	close = open ? strchr(open, ']') : NULL;
	if (!close)
		return;
	*close = '\0';
	snprintf(rights->lockdown, sizeof(rights->lockdown), "%s", open + 1);
}

void process_rights_read(struct process_rights *ret_rights, const char *root)
{
	_cleanup_out_ struct out path = {0};
	_cleanup_free_ char *text = NULL;
	unsigned long long caps = 0;
	const char *line;

	if (!root)
		root = "";
	/* Where nothing can be read, the rights are not to be blamed. */
	*ret_rights = (struct process_rights){.sys_admin = true};
	read_lockdown(ret_rights, root);
	out_printf(&path, "%s/proc/self/status", root);
	if (path.failed || io_read_file(out_cstr(&path), 65536, &text, NULL) < 0)
		return;
	line = strstr(text, "\nUid:");
	if (line && sscanf(line, "\nUid: %*u %u", &ret_rights->euid) != 1)
		ret_rights->euid = 0;
	line = strstr(text, "\nCapEff:");
	if (line && sscanf(line, "\nCapEff: %llx", &caps) == 1)
		ret_rights->sys_admin = caps >> CAP_SYS_ADMIN_BIT & 1;
}

enum refusal process_refusal(const struct process_rights *rights)
{
	if (rights->euid != 0)
		return REFUSED_USER;
	if (!rights->sys_admin)
		return REFUSED_CAPS;
	if (rights->lockdown[0] && strcmp(rights->lockdown, "none") != 0)
		return REFUSED_LOCKED;
	return REFUSED_POLICY;
}

const char *process_policy(const struct process_rights *rights, char *buf, size_t size)
{
	if (process_refusal(rights) == REFUSED_LOCKED)
		snprintf(buf, size, "lockdown: %s", rights->lockdown);
	else
		snprintf(buf, size, "lockdown, or another policy");
	return buf;
}
