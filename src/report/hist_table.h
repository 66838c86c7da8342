/* SPDX-License-Identifier: MIT */
/* Histograms of hist triggers for people: tables with bars, JSON, CSV. */
#ifndef SONDE_REPORT_HIST_TABLE_H
#define SONDE_REPORT_HIST_TABLE_H

#include "expr/hist.h"
#include "report/report.h"

struct hist_table_print {
	enum report_format format;
	const char *buffer; /* which file or instance, or NULL */
	uint64_t limit;	    /* rows; 0: all */
};

/* -ENOMEM. */
int hist_table_print(const struct hist *hist, const struct hist_table_print *how, struct out *out)
	_must_check_;

#endif
