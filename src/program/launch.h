/* SPDX-License-Identifier: MIT */
/* What is needed to start a program that is traced from the inside. */
#ifndef SONDE_PROGRAM_LAUNCH_H
#define SONDE_PROGRAM_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Whether the runtime can get into the program that `command` (as for execvp) starts. -EOPNOTSUPP
 * with the reason and what to do instead: static, of another processor or word size, with rights of
 * its own (setuid), not glibc's, made with a sanitizer. 0 for a command that does not exist, which
 * starting it will say.
 */
int program_launch_check(const char *command, struct err *err) _must_check_;

/*
 * The same for any user's process that executes the file `path`. *ret_never: no setting of the
 * system's (no new privileges, nosuid) could change that. Its interpreter, if that is what cannot
 * be traced, is named in the text.
 */
int program_launch_judge(const char *path, uid_t uid, gid_t gid, bool *ret_never, struct err *err)
	_must_check_;

/*
 * Set the environment of this process so that programs it starts load the runtime and find the
 * server. `runtime` NULL: libsonde-rt.so as installed, or beside this program in a build tree.
 */
int program_launch_environment(const char *server, const char *runtime, struct err *err)
	_must_check_;

#endif
