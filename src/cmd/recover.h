/* SPDX-License-Identifier: MIT */
/*
 * What sessions that were killed have left in tracefs: every command says so, those that use
 * tracefs put it back before they begin.
 */
#ifndef SONDE_CMD_RECOVER_H
#define SONDE_CMD_RECOVER_H

#include "cmd/cmd.h"

void cmd_recover(const struct command *command);

#endif
