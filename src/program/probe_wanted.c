/* SPDX-License-Identifier: MIT */
/* What -e says of probes in programs. */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/mem.h"
#include "expr/function_pattern.h"
#include "program/probes_private.h"

#define PREFIX_USDT "usdt:"
#define PREFIX_SDT  "sdt_"

bool program_probes_is_meant(const char *events, bool surely)
{
	return !strncmp(events, PREFIX_USDT, strlen(PREFIX_USDT)) ||
	       (!surely &&
		(!strncmp(events, PREFIX_SDT, strlen(PREFIX_SDT)) || probe_is_definition(events)));
}

/* [FILE:]PROVIDER:NAME */
static int read_usdt(struct probe_wanted *wanted, const char *text, struct err *err)
{
	bool is_usdt = !strncmp(text, PREFIX_USDT, strlen(PREFIX_USDT));
	const char *rest = text + strlen(is_usdt ? PREFIX_USDT : PREFIX_SDT);
	const char *name = strrchr(rest, ':'), *provider = rest;

	if (!name || !name[1])
		return err_caret(err, -EINVAL, text, strlen(text),
				 "the probe's name is missing: usdt:[FILE:]PROVIDER:NAME");
	for (const char *at = rest; is_usdt && at < name; at++) {
		if (*at == ':')
			provider = at + 1;
	}
	if (provider == name || (provider != rest && provider - 1 == rest))
		return err_caret(err, -EINVAL, text, (size_t)(provider - text),
				 "the provider or the file is missing: usdt:[FILE:]PROVIDER:NAME");
	wanted->provider = mem_strndup(provider, (size_t)(name - provider));
	wanted->name = mem_strdup(name + 1);
	wanted->file = provider == rest ? NULL : mem_strndup(rest, (size_t)(provider - 1 - rest));
	if (!wanted->provider || !wanted->name || (provider != rest && !wanted->file))
		return err_sys(err, -ENOMEM, "cannot read the probes");
	return 0;
}

int probe_wanted_read(struct probe_wanted *wanted, const char *text, struct err *err)
{
	wanted->text = mem_strdup(text);
	if (!wanted->text)
		return err_sys(err, -ENOMEM, "cannot read the probes");
	wanted->is_definition = probe_is_definition(text);
	return wanted->is_definition ? probe_define(wanted, text, err)
				     : read_usdt(wanted, text, err);
}

void probe_wanted_done(struct probe_wanted *wanted)
{
	mem_free(wanted->text);
	mem_free(wanted->file);
	mem_free(wanted->provider);
	mem_free(wanted->name);
	mem_free(wanted->path);
}

bool probe_wanted_is_file(const struct probe_wanted *wanted, const struct program_elf *elf)
{
	return wanted->is_definition && wanted->dev == elf->dev && wanted->inode == elf->inode;
}

bool probe_wanted_is_note(const struct probe_wanted *wanted, const struct program_elf *elf,
			  const struct usdt_note *note)
{
	return !wanted->is_definition && fnmatch(wanted->provider, note->provider, 0) == 0 &&
	       fnmatch(wanted->name, note->name, 0) == 0 &&
	       (!wanted->file || function_library_is(wanted->file, elf->name, elf->path));
}

void probe_make_name(char *name)
{
	for (; *name; name++) {
		bool is_letter = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z');

		if (!is_letter && (*name < '0' || *name > '9'))
			*name = '_';
	}
}

static bool no_module(const char *name)
{
	(void)name;
	return false;
}

static bool put_defined_name(struct out *name, const char *text)
{
	char made[PROBE_NAME_BYTES];
	struct probe probe;
	struct err err;

	if (!probe_is_definition(text) || probe_parse(&probe, text, no_module, &err) < 0)
		return false;
	if (!probe.event)
		probe_default_event(&probe, made);
	out_printf(name, "%s:%s", probe.group ? probe.group : probe_default_group(probe.kind),
		   probe.event ? probe.event : made);
	probe_done(&probe);
	return true;
}

bool program_probes_is_of_file(const char *text)
{
	struct probe probe;
	struct err err;
	bool is_of_file;

	if (!probe_is_definition(text) || probe_parse(&probe, text, no_module, &err) < 0)
		return program_probes_is_meant(text, true);
	is_of_file = probe.kind == PROBE_USER;
	probe_done(&probe);
	return is_of_file;
}

char *program_probes_event_name(const char *text)
{
	struct probe_wanted wanted = {.text = NULL};
	_cleanup_out_ struct out name = {0};
	struct err err;

	if (!put_defined_name(&name, text) && program_probes_is_meant(text, true) &&
	    read_usdt(&wanted, text, &err) == 0) {
		probe_make_name(wanted.provider);
		probe_make_name(wanted.name);
		out_printf(&name, PREFIX_SDT "%s:%s", wanted.provider, wanted.name);
	}
	probe_wanted_done(&wanted);
	return name.failed || !name.len ? NULL : mem_strdup(out_cstr(&name));
}
