/* SPDX-License-Identifier: MIT */
/* Events of probes, and how their records are described: as the kernel does it of its uprobes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "program/common_fields.h"
#include "program/probes_private.h"

/* Where the fields begin in the payload: behind the address, or both. */
static uint32_t first_at(bool is_return)
{
	return is_return ? PROGRAM_PROBE_RETURN_AT + 8 : 8;
}

static struct probe_event *find_event(const struct probe_events *events, const char *system,
				      const char *name, const char *types)
{
	for (size_t i = 0; i < events->nr; i++) {
		struct probe_event *event = events->list[i];

		if (!strcmp(event->system, system) && !strcmp(event->name, name) &&
		    (!types || !strcmp(event->types, types)))
			return event;
	}
	return NULL;
}

static void event_free(struct probe_event *event)
{
	if (!event)
		return;
	mem_free(event->system);
	mem_free(event->name);
	mem_free(event->types);
	mem_free(event);
}

void probe_events_done(struct probe_events *events)
{
	for (size_t i = 0; i < events->nr; i++)
		event_free(events->list[i]);
}

/* --- fields --- */

static unsigned int field_bytes(const struct probe_field *field)
{
	return field->letter == 't' ? 4 : field->fetch.size;
}

/* Where each goes in the payload. */
static void lay_out(struct probe_event *event, const struct probe_found *found)
{
	uint32_t offset = first_at(found->is_return);

	for (size_t i = 0; i < found->nr_fields; i++) {
		struct probe_field *field = &event->fields[event->nr_fields];
		unsigned int bytes;

		if (found->fields[i].refused)
			continue;
		*field = found->fields[i];
		bytes = field_bytes(field);
		offset = (offset + bytes - 1) & ~(bytes - 1);
		field->fetch.offset = (uint16_t)offset;
		offset += bytes;
		event->nr_fields++;
	}
}

uint32_t probe_event_bytes(const struct probe_event *event)
{
	const struct probe_field *last =
		event->nr_fields ? &event->fields[event->nr_fields - 1] : NULL;

	return last ? (last->fetch.offset + field_bytes(last) + 3u) & ~3u
		    : first_at(event->is_return);
}

static void put_types(const struct probe_found *found, struct out *types)
{
	out_str(types, found->is_return ? "r " : "p ");
	for (size_t i = 0; i < found->nr_fields; i++) {
		const struct probe_field *field = &found->fields[i];

		out_printf(types, "%s=%c%u ", field->name, field->refused ? '-' : field->letter,
			   field->fetch.size);
	}
	out_cstr(types);
}

/* --- events --- */

static struct probe_event *event_new(const struct probe_found *found, const char *name,
				     const char *types)
{
	struct probe_event *event = mem_zalloc(sizeof(*event));

	if (!event)
		return NULL;
	event->system = mem_strdup(found->system);
	event->name = mem_strdup(name);
	event->types = mem_strdup(types);
	if (!event->system || !event->name || !event->types) {
		event_free(event);
		return NULL;
	}
	event->is_return = found->is_return;
	lay_out(event, found);
	return event;
}

int probe_events_get(struct probe_events *events, const struct probe_found *found,
		     struct probe_event **ret_event, bool *ret_is_new)
{
	_cleanup_out_ struct out types = {0};
	char name[PROBE_EVENT_BYTES + 16];
	struct probe_event *event;

	put_types(found, &types);
	if (types.failed)
		return -ENOMEM;
	*ret_is_new = false;
	snprintf(name, sizeof(name), "%s", found->name);
	for (unsigned int i = 1; find_event(events, found->system, name, NULL); i++) {
		*ret_event = find_event(events, found->system, name, types.buf);
		if (*ret_event)
			return 0;
		snprintf(name, sizeof(name), "%s_%u", found->name, i);
	}
	*ret_event = NULL;
	if (events->nr == ARRAY_SIZE(events->list))
		return 0;
	event = event_new(found, name, types.buf);
	if (!event)
		return -ENOMEM;
	event->number = (uint16_t)(PROGRAM_PROBE_EVENT_FIRST + events->nr);
	events->list[events->nr++] = event;
	*ret_event = event;
	*ret_is_new = true;
	return 0;
}

/* --- formats --- */

#define ADDRESS_FIELD(name, offset)                                                                \
	"\tfield:unsigned long " name ";\toffset:" offset ";\tsize:8;\tsigned:0;\n"

static void put_field(struct out *out, const struct probe_field *field)
{
	uint32_t offset = field->fetch.offset + PROGRAM_COMMON_BYTES;

	if (field->letter == 't')
		out_printf(out, "\tfield:__data_loc char[] %s;\toffset:%u;\tsize:4;\tsigned:1;\n",
			   field->name, offset);
	else
		out_printf(out, "\tfield:%c%u %s;\toffset:%u;\tsize:%u;\tsigned:%u;\n",
			   field->letter == 's' ? 's' : 'u', field->fetch.size * 8u, field->name,
			   offset, field->fetch.size, field->letter == 's');
}

static void put_conversion(struct out *out, const struct probe_field *field)
{
	const char *size = field->fetch.size == 8 ? "L" : "";

	if (field->letter == 't')
		out_printf(out, " %s=\\\"%%s\\\"", field->name);
	else if (field->letter == 'x')
		out_printf(out, " %s=0x%%%sx", field->name, size);
	else
		out_printf(out, " %s=%%%s%c", field->name, size, field->letter == 's' ? 'd' : 'u');
}

void probe_event_format(struct out *out, const struct probe_event *event, uint16_t id)
{
	out_printf(out, "name: %s\nID: %u\n" PROGRAM_COMMON_FIELDS, event->name, id);
	out_str(out, event->is_return ? ADDRESS_FIELD("__probe_func", "8")
						ADDRESS_FIELD("__probe_ret_ip", "16")
				      : ADDRESS_FIELD("__probe_ip", "8"));
	for (size_t i = 0; i < event->nr_fields; i++)
		put_field(out, &event->fields[i]);
	out_str(out, event->is_return ? "\nprint fmt: \"(%lx <- %lx)" : "\nprint fmt: \"(%lx)");
	for (size_t i = 0; i < event->nr_fields; i++)
		put_conversion(out, &event->fields[i]);
	out_str(out, event->is_return ? "\", REC->__probe_func, REC->__probe_ret_ip"
				      : "\", REC->__probe_ip");
	for (size_t i = 0; i < event->nr_fields; i++)
		out_printf(out, event->fields[i].letter == 't' ? ", __get_str(%s)" : ", REC->%s",
			   event->fields[i].name);
	out_char(out, '\n');
}
