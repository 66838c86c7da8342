/* SPDX-License-Identifier: MIT */
#include "event/handler.h"

#include <string.h>

#include "base/mem.h"

static const struct handler *const tables[] = {handlers_ftrace, handlers_graph, handlers_events,
					       handlers_kvm};

const struct handler *handler_find(const char *system, const char *event)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct handler *handler = tables[i]; handler->system; handler++)
			if (!strcmp(handler->event, event) && !strcmp(handler->system, system))
				return handler;
	return NULL;
}

bool event_handler_name(size_t i, const char **ret_system, const char **ret_event)
{
	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		for (const struct handler *handler = tables[t]; handler->system; handler++) {
			if (i--)
				continue;
			*ret_system = handler->system;
			*ret_event = handler->event;
			return true;
		}
	}
	return false;
}

void handler_complain(const struct rec *rec, unsigned int i, struct out *out)
{
	const struct event_field *field = handler_field(rec, i);

	if (field) {
		out_char(out, ' ');
		out_str(out, field->name);
		out_lit(out, "=INVALID");
	} else {
		out_lit(out, "<CANT FIND FIELD ");
		out_str(out, rec->event->handler->fields[i]);
		out_char(out, '>');
	}
}

const char *handler_function(const struct rec *rec, uint64_t addr, uint64_t *ret_addr)
{
	const struct symbol *symbol = symbols_find(rec->db->symbols, addr);

	if (!symbol)
		return NULL;
	*ret_addr = symbol->addr;
	return symbol->name;
}

const struct event_options *handler_options(const struct rec *rec)
{
	static const struct event_options defaults = {.function_indent = true};

	return rec->context && rec->context->options ? rec->context->options : &defaults;
}
