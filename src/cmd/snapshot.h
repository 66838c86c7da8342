/* SPDX-License-Identifier: MIT */
/* Printing a snapshot, for `sonde snapshot` and `sonde show -s`. */
#ifndef SONDE_CMD_SNAPSHOT_H
#define SONDE_CMD_SNAPSHOT_H

#include <stdbool.h>

#include "cmd/cmd.h"
#include "kernel/control.h"

/* Print the snapshot of `cpu` or KERNEL_ALL_CPUS, `path` first where wanted; an exit status. */
int cmd_snapshot_print(const struct command *command, const struct tracefs *fs,
		       const struct kernel_target *target, int cpu, bool path);

/* Copy everything that can be read from fd to stdout; an exit status. `what` is for the error. */
int cmd_copy_out(const struct command *command, int fd, const char *what);

#endif
