/* SPDX-License-Identifier: MIT */
/*
 * The configuration the running kernel was built with, where the machine keeps it: /proc/config.gz,
 * /boot/config-RELEASE or /lib/modules/RELEASE/config. It confirms why a feature is missing; it is
 * never used to decide whether one is there.
 */
#ifndef SONDE_KERNEL_KCONFIG_H
#define SONDE_KERNEL_KCONFIG_H

#include "base/err.h"

enum kconfig_value {
	KCONFIG_UNKNOWN, /* the machine does not keep its kernel's configuration */
	KCONFIG_OFF,	 /* "# CONFIG_X is not set" */
	KCONFIG_ABSENT,	 /* not mentioned: something it needs is off, or the kernel is older */
	KCONFIG_ON,
	KCONFIG_MODULE,
};

struct kconfig {
	char *text; /* owned; NULL: none was found */
	char *path; /* owned; where it was found */
};

/*
 * Look for it below `root` ("" is this machine). None to be found is no error: every option is
 * then unknown. -ENOMEM.
 */
int kconfig_load(struct kconfig *config, const char *root) _must_check_;
void kconfig_done(struct kconfig *config);

enum kconfig_value kconfig_get(const struct kconfig *config, const char *option);

#endif
