/* SPDX-License-Identifier: MIT */
/*
 * Events that trace-cmd shows otherwise than their print fmt says: its plugins and its own
 * function_graph layout, as a table.
 */
#ifndef SONDE_EVENT_HANDLER_H
#define SONDE_EVENT_HANDLER_H

#include "event/internal.h"

enum {
	HANDLER_MAX_FIELDS = 8
};

struct handler {
	const char *system, *event;
	/*
	 * Prints the record. True: the print fmt's text follows (the handler only put something
	 * before it, or could not do its work).
	 */
	bool (*print)(const struct rec *rec, struct out *out);
	/* Looked up once per event, in this order, for rec->event->handler_fields. */
	const char *fields[HANDLER_MAX_FIELDS];
	uint8_t kind; /* enum event_kind */
};

/* NULL when there is none. */
const struct handler *handler_find(const char *system, const char *event);

/* Tables of the single files, ended by an entry without a system. */
extern const struct handler handlers_ftrace[], handlers_graph[], handlers_events[], handlers_kvm[];

/* Field number `i` of the handler; NULL when the event has none. */
static inline const struct event_field *handler_field(const struct rec *rec, unsigned int i)
{
	return rec->event->handler_fields[i];
}

/* Says in the text, as trace-cmd does, why field `i` has no value. */
void handler_complain(const struct rec *rec, unsigned int i, struct out *out);

/*
 * Its value, zero-extended. False when the event has no such field or it is no number; with
 * `complain` that is said in the text, as trace-cmd does.
 */
static inline bool handler_value(const struct rec *rec, unsigned int i, bool complain,
				 uint64_t *ret_value, struct out *out)
{
	const struct event_field *field = handler_field(rec, i);

	if (__builtin_expect(!field || (field->size != 8 && field->size != 4 && field->size != 2 &&
					field->size != 1),
			     0)) {
		if (complain)
			handler_complain(rec, i, out);
		return false;
	}
	*ret_value = rec_uint(rec, field->offset, field->size);
	return true;
}

/* The name of a function or NULL; *ret_addr is where it begins. */
const char *handler_function(const struct rec *rec, uint64_t addr, uint64_t *ret_addr);

const struct event_options *handler_options(const struct rec *rec);

/* The pretty text of the record's print fmt, or of bprint, or why not. */
void event_print_pretty(struct rec *rec, struct out *out);

#endif
