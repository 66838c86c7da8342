/* SPDX-License-Identifier: MIT */
/* `report -O [PLUGIN:]NAME[=VALUE]`: the options of the built-in event handlers. */
#ifndef SONDE_REPORT_HANDLERS_H
#define SONDE_REPORT_HANDLERS_H

#include <stddef.h>

#include "base/err.h"
#include "event/event.h"

struct handler_option {
	const char *plugin, *name;
	const char *description;
	size_t offset; /* of the bool in struct event_options */
	bool initial;
};

extern const struct handler_option report_handler_options[]; /* ended by a NULL name */

void handler_options_init(struct event_options *ret_options);

/*
 * Apply one -O text. Without a value the option is switched to its other state, as trace-cmd does.
 * -EINVAL with a message for an unknown option or a value other than 0, 1, true and false.
 */
int handler_options_set(struct event_options *options, const char *text, struct err *err)
	_must_check_;

#endif
