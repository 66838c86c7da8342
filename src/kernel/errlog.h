/* SPDX-License-Identifier: MIT */
/* error_log: what the kernel says of a filter or a probe that it refused. */
#ifndef SONDE_KERNEL_ERRLOG_H
#define SONDE_KERNEL_ERRLOG_H

#include <stdbool.h>

/*
 * The newest entry of an error_log's text, or the newest one about `command` when that is not NULL.
 * The text is cut in place; the results point into it. *ret_caret is a column of the command.
 */
bool kernel_errlog_find(char *log, const char *command, char **ret_message, char **ret_command,
			int *ret_caret);

#endif
