/* SPDX-License-Identifier: MIT */
/*
 * Which functions a tracer of functions sees. set_ftrace_filter and set_ftrace_notrace belong to
 * an instance; set_graph_function and set_graph_notrace are one for the machine.
 */
#ifndef SONDE_KERNEL_FUNCTIONS_H
#define SONDE_KERNEL_FUNCTIONS_H

#include "kernel/instance.h"

/*
 * Put what the patterns name into one of these four files, in place of what is there. A pattern is
 * one of the kernel's globs, or a regular expression when it starts with '^' or ends with '$': then
 * it is matched here against all functions that can be traced, without regard to case. With a
 * module (NULL: none) only that module's functions are meant. A pattern that names nothing is an
 * error (-EINVAL).
 */
int kernel_functions_choose(struct kernel_instance *inst, const char *file,
			    const char *const *patterns, size_t nr, const char *module,
			    struct err *err) _must_check_;

/* Add a function command, "PATTERN:COMMAND[:COUNT]"; given back with the instance. */
int kernel_functions_command(struct kernel_instance *inst, const char *command, struct err *err)
	_must_check_;

/* kernel.ftrace_enabled: function tracing of the whole machine, live patches and perf included. */
int kernel_functions_switch(struct kernel_journal *journal, bool on, struct err *err) _must_check_;
/* Whether `name` is one of the four: the kernel takes one word of them a write. */
bool kernel_functions_is_list(const char *name);

#endif
