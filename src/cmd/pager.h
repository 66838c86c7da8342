/* SPDX-License-Identifier: MIT */
#ifndef SONDE_CMD_PAGER_H
#define SONDE_CMD_PAGER_H

/*
 * Put a pager ($SONDE_PAGER, $PAGER, less) behind stdout when stdout is a terminal. Does nothing
 * when there is none, or when the variable is empty or "cat".
 */
void pager_start(void);

/* Close stdout and wait for the pager. Nothing when none was started. */
void pager_finish(void);

#endif
