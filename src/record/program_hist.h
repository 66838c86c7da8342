/* SPDX-License-Identifier: MIT */
/* What was counted in histograms inside programs, as records: one for each key. */
#ifndef SONDE_RECORD_PROGRAM_HIST_H
#define SONDE_RECORD_PROGRAM_HIST_H

#include "program/watcher.h"
#include "record/program_drain.h"

/* When tracing is off, from within the drain's `due`. */
int program_hist_store(const struct program_watcher *watcher, const struct ring_session *session,
		       uint16_t event_base, struct program_drain *drain) _must_check_;

#endif
