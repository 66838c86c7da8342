/* SPDX-License-Identifier: MIT */
#include "cmd/target.h"

#include <stdio.h>

#include "base/mem.h"

int cmd_target_option(struct cmd_target *target, int id, const char *arg)
{
	switch (id) {
	case 'B':
		if (array_reserve(&target->names, &target->cap_names, target->nr_names + 1,
				  sizeof(*target->names)) < 0) {
			cmd_error(target->command, "not enough memory");
			return -1;
		}
		target->names[target->nr_names++] = arg;
		return 1;
	case 'a':
		target->all = true;
		return 1;
	case 't':
		target->top = true;
		return 1;
	default:
		return 0;
	}
}

static int choose(struct cmd_target *target, struct err *err)
{
	if (!kernel_target_exists(target->fs, KERNEL_LASTING_INSTANCE))
		return kernel_targets_add(&target->targets, target->fs, "", err);
	if (!target->quiet)
		cmd_note(target->command,
			 "instance " KERNEL_LASTING_INSTANCE " (-t is the top one)");
	return kernel_targets_add(&target->targets, target->fs, KERNEL_LASTING_INSTANCE, err);
}

int cmd_target_open(struct cmd_target *target, struct err *err)
{
	int r = tracefs_open(&target->fs, NULL, err);

	if (r < 0)
		return r;
	if (!target->nr_names && !target->all && !target->top)
		return choose(target, err);
	if (target->top || (target->all && target->all_means_top_too))
		r = kernel_targets_add(&target->targets, target->fs, "", err);
	for (size_t i = 0; i < target->nr_names && r == 0; i++)
		r = kernel_targets_add(&target->targets, target->fs, target->names[i], err);
	if (r == 0 && target->all)
		r = kernel_targets_add_all(&target->targets, target->fs, err);
	if (r == 0 && !target->targets.nr)
		cmd_note(target->command, "there is no instance but the top one (-t)");
	return r;
}

void cmd_target_done(struct cmd_target *target)
{
	kernel_targets_done(&target->targets);
	tracefs_close(target->fs);
	mem_free(target->names);
	target->names = NULL;
	target->fs = NULL;
}

const char *cmd_target_name(const struct kernel_target *target, char *text, size_t size)
{
	if (!target->name[0])
		return "the top instance";
	snprintf(text, size, "instance %s", target->name);
	return text;
}
