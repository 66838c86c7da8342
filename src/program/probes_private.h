/* SPDX-License-Identifier: MIT */
/* Inside of probes.h: what is wanted, what was found of it, and the events of that. */
#ifndef SONDE_PROGRAM_PROBES_PRIVATE_H
#define SONDE_PROGRAM_PROBES_PRIVATE_H

#include <sys/types.h>

#include "expr/probe.h"
#include "program/probes.h"
#include "symbol/usdt.h"

#define PROBE_FIELD_BYTES 33u /* name of a field */
#define PROBE_EVENT_BYTES 256u

/* A field of an event: how it is fetched, and how it is shown. */
struct probe_field {
	struct program_probe_arg fetch;
	char name[PROBE_FIELD_BYTES];
	char letter;	     /* u, s, x; t: a text */
	const char *refused; /* it cannot be had: why; else NULL */
};

/* What an -e means. */
struct probe_wanted {
	char *text; /* as it was given */
	bool matched;
	const char *refused; /* of a definition: why it is not recorded; else NULL */
	/* USDT: globs; file NULL: any */
	char *file, *provider, *name;
	/* A definition, of one place in one file. */
	bool is_definition;
	bool is_return;
	char *path;
	dev_t dev;
	ino_t inode;
	uint64_t offset; /* in the file */
	char group[PROBE_NAME_BYTES], event[PROBE_NAME_BYTES];
	struct probe_field fields[PROGRAM_PROBE_ARGS_MAX];
	size_t nr_fields;
};

/* probe_wanted.c */
int probe_wanted_read(struct probe_wanted *wanted, const char *text, struct err *err) _must_check_;
void probe_wanted_done(struct probe_wanted *wanted);
/* The file of a definition; the note of a USDT probe. */
bool probe_wanted_is_file(const struct probe_wanted *wanted, const struct program_elf *elf);
bool probe_wanted_is_note(const struct probe_wanted *wanted, const struct program_elf *elf,
			  const struct usdt_note *note);
/* As names of events are made of. */
void probe_make_name(char *name);

/* probe_define.c: p[:[GRP/]EV] FILE:SYMBOL[+OFF] [ARGS], r[:[GRP/]EV] FILE:SYMBOL [ARGS] */
int probe_define(struct probe_wanted *wanted, const char *text, struct err *err) _must_check_;

/* A probe that was found in a module. */
struct probe_found {
	uint64_t address, semaphore;
	bool is_return;
	uint8_t skip; /* enum program_skip: why it cannot be */
	/* In whose stub it is hit; NULL: it has a jump of its own. */
	const struct program_function *function;
	char system[PROBE_EVENT_BYTES], name[PROBE_EVENT_BYTES];
	struct probe_field fields[PROGRAM_PROBE_ARGS_MAX];
	size_t nr_fields;
	size_t order;	   /* in which they were found */
	const bool *rules; /* which -e mean it */
};

/* Of an event the fields are those of the first probe that it has. */
struct probe_event {
	char *system, *name, *types; /* types: to tell events of one name apart */
	uint16_t number;
	bool is_return;
	struct probe_field fields[PROGRAM_PROBE_ARGS_MAX];
	size_t nr_fields;
};

/* probe_events.c */
struct probe_events {
	struct probe_event *list[PROGRAM_PROBE_EVENTS - PROGRAM_PROBE_EVENT_FIRST];
	size_t nr, nr_told;
};

/*
 * The event of such a probe, made if it is the first; its fields are laid out in the record. NULL:
 * there is no number left. -ENOMEM.
 */
int probe_events_get(struct probe_events *events, const struct probe_found *found,
		     struct probe_event **ret_event, bool *ret_is_new) _must_check_;
/* Bytes of its record's payload, without texts. */
uint32_t probe_event_bytes(const struct probe_event *event);
void probe_event_format(struct out *out, const struct probe_event *event, uint16_t id);
void probe_events_done(struct probe_events *events);

#endif
