/* SPDX-License-Identifier: MIT */
/*
 * From notes to events: what is wanted of a module's notes is sorted by address, the jumps are
 * planned for all of it at once, and what can be patched gets an event.
 */
#include "program/probes.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "expr/function_pattern.h"
#include "program/common_fields.h"
#include "symbol/usdt.h"

#define PREFIX_USDT "usdt:"
#define PREFIX_SDT  "sdt_"
#define NAME_BYTES  256u
#define TYPES_BYTES (4 * PROGRAM_PROBE_ARGS_MAX + 1)

struct wanted {
	char *text;		      /* as it was given */
	char *file, *provider, *name; /* globs; file NULL: any */
	bool matched;
};

struct probe_event {
	char *system, *name, *types; /* types: of the arguments, to tell events apart */
	uint16_t number;
	bool laid_out;
	size_t nr_args;
	struct program_probe_arg args[PROGRAM_PROBE_ARGS_MAX];
	uint8_t numbers[PROGRAM_PROBE_ARGS_MAX]; /* what they are called by */
};

struct program_probes {
	struct program_watcher *watcher;
	struct wanted *wanted;
	size_t nr_wanted;
	bool *rules; /* of each wanted one, whether it means the event that comes up */
	struct probe_event *events[PROGRAM_PROBE_EVENTS - PROGRAM_PROBE_EVENT_FIRST];
	size_t nr_events, nr_told;
};

/* --- what is wanted --- */

bool program_probes_is_meant(const char *events, bool surely)
{
	return !strncmp(events, PREFIX_USDT, strlen(PREFIX_USDT)) ||
	       (!surely && !strncmp(events, PREFIX_SDT, strlen(PREFIX_SDT)));
}

static void wanted_done(struct wanted *wanted)
{
	mem_free(wanted->text);
	mem_free(wanted->file);
	mem_free(wanted->provider);
	mem_free(wanted->name);
}

/* [FILE:]PROVIDER:NAME */
static int read_wanted(struct wanted *wanted, const char *text, struct err *err)
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
	wanted->text = mem_strdup(text);
	wanted->provider = mem_strndup(provider, (size_t)(name - provider));
	wanted->name = mem_strdup(name + 1);
	wanted->file = provider == rest ? NULL : mem_strndup(rest, (size_t)(provider - 1 - rest));
	if (!wanted->text || !wanted->provider || !wanted->name ||
	    (provider != rest && !wanted->file))
		return err_sys(err, -ENOMEM, "cannot read the probes");
	return 0;
}

int program_probes_new(struct program_probes **ret_probes, const struct program_rule *rules,
		       size_t nr, struct program_watcher *watcher, struct err *err)
{
	struct program_probes *probes = mem_zalloc(sizeof(*probes));
	int r = 0;

	if (probes) {
		probes->watcher = watcher;
		probes->wanted = mem_calloc(nr + 1, sizeof(*probes->wanted));
		probes->rules = mem_calloc(nr + 1, sizeof(*probes->rules));
	}
	if (!probes || !probes->wanted || !probes->rules) {
		program_probes_free(probes);
		return err_sys(err, -ENOMEM, "cannot read the probes");
	}
	for (; probes->nr_wanted < nr && r == 0; probes->nr_wanted++)
		r = read_wanted(&probes->wanted[probes->nr_wanted], rules[probes->nr_wanted].events,
				err);
	if (r < 0) {
		program_probes_free(probes);
		return r;
	}
	*ret_probes = probes;
	return 0;
}

/* Those letters that names of events have. */
static void make_name(char *name)
{
	for (; *name; name++) {
		bool is_letter = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z');

		if (!is_letter && (*name < '0' || *name > '9'))
			*name = '_';
	}
}

char *program_probes_event_name(const char *text)
{
	struct wanted wanted = {.text = NULL};
	_cleanup_out_ struct out name = {0};
	struct err err;

	if (program_probes_is_meant(text, true) && read_wanted(&wanted, text, &err) == 0) {
		make_name(wanted.provider);
		make_name(wanted.name);
		out_printf(&name, PREFIX_SDT "%s:%s", wanted.provider, wanted.name);
	}
	wanted_done(&wanted);
	return name.failed || !name.len ? NULL : mem_strdup(out_cstr(&name));
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

void program_probes_free(struct program_probes *probes)
{
	if (!probes)
		return;
	for (size_t i = 0; i < probes->nr_wanted; i++)
		wanted_done(&probes->wanted[i]);
	for (size_t i = 0; i < probes->nr_events; i++)
		event_free(probes->events[i]);
	mem_free(probes->wanted);
	mem_free(probes->rules);
	mem_free(probes);
}

const char *program_probes_unmatched(const struct program_probes *probes)
{
	for (size_t i = 0; i < probes->nr_wanted; i++) {
		if (!probes->wanted[i].matched)
			return probes->wanted[i].text;
	}
	return NULL;
}

/* --- events --- */

static struct probe_event *find_event(const struct program_probes *probes, const char *system,
				      const char *name, const char *types)
{
	for (size_t i = 0; i < probes->nr_events; i++) {
		struct probe_event *event = probes->events[i];

		if (!strcmp(event->system, system) && !strcmp(event->name, name) &&
		    (!types || !strcmp(event->types, types)))
			return event;
	}
	return NULL;
}

static struct probe_event *event_new(const char *system, const char *name, const char *types)
{
	struct probe_event *event = mem_zalloc(sizeof(*event));

	if (!event)
		return NULL;
	event->system = mem_strdup(system);
	event->name = mem_strdup(name);
	event->types = mem_strdup(types);
	if (event->system && event->name && event->types)
		return event;
	event_free(event);
	return NULL;
}

/* The event of probes of this name and these arguments, made if it is the first; *ret NULL: full */
static int get_event(struct program_probes *probes, const char *system, const char *name,
		     const char *types, struct probe_event **ret)
{
	char numbered[NAME_BYTES + 16];
	struct probe_event *event;

	snprintf(numbered, sizeof(numbered), "%s", name);
	for (unsigned int i = 1; find_event(probes, system, numbered, NULL); i++) {
		*ret = find_event(probes, system, numbered, types);
		if (*ret)
			return 0;
		snprintf(numbered, sizeof(numbered), "%s_%u", name, i);
	}
	*ret = NULL;
	if (probes->nr_events == ARRAY_SIZE(probes->events))
		return 0;
	event = event_new(system, numbered, types);
	if (!event)
		return -ENOMEM;
	event->number = (uint16_t)(PROGRAM_PROBE_EVENT_FIRST + probes->nr_events);
	probes->events[probes->nr_events++] = event;
	*ret = event;
	return 0;
}

/* As the kernel describes the events of its own probes in programs. */
static void put_format(struct out *out, const struct probe_event *event, uint16_t id)
{
	out_printf(out,
		   "name: %s\nID: %u\n" PROGRAM_COMMON_FIELDS
		   "\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n",
		   event->name, id);
	for (size_t i = 0; i < event->nr_args; i++) {
		const struct program_probe_arg *arg = &event->args[i];

		out_printf(out, "\tfield:%c%u arg%u;\toffset:%u;\tsize:%u;\tsigned:%u;\n",
			   arg->is_signed ? 's' : 'u', arg->size * 8u, event->numbers[i],
			   arg->offset + PROGRAM_COMMON_BYTES, arg->size, arg->is_signed);
	}
	out_str(out, "\nprint fmt: \"(%lx)");
	for (size_t i = 0; i < event->nr_args; i++)
		out_printf(out, " arg%u=%%%s%c", event->numbers[i],
			   event->args[i].size == 8 ? "L" : "",
			   event->args[i].is_signed ? 'd' : 'u');
	out_str(out, "\", REC->__probe_ip");
	for (size_t i = 0; i < event->nr_args; i++)
		out_printf(out, ", REC->arg%u", event->numbers[i]);
	out_char(out, '\n');
}

bool program_probes_next(struct program_probes *probes, uint16_t base, const char **ret_system,
			 struct out *out)
{
	const struct probe_event *event;

	if (probes->nr_told == probes->nr_events)
		return false;
	event = probes->events[probes->nr_told++];
	*ret_system = event->system;
	put_format(out, event, (uint16_t)(base + event->number));
	return true;
}

/* --- arguments --- */

static struct program_probe_arg fetch(const struct usdt_arg *from)
{
	struct program_probe_arg arg = {
		.reg = from->reg,
		.index = from->index,
		.scale = from->scale,
		.shift = from->shift,
		.reg_size = from->kind == USDT_REGISTER ? from->reg_size : 8,
		.size = from->size,
		.is_signed = from->is_signed,
		/* The compiler has put there what it had read. */
		.is_safe = true,
	};

	if (from->kind == USDT_CONSTANT) {
		arg.start = PROGRAM_START_CONSTANT;
		arg.number = from->number;
	} else if (from->kind == USDT_MEMORY) {
		arg.nr_derefs = 1;
		arg.start = from->is_address		    ? PROGRAM_START_ADDRESS
			    : from->reg == USDT_NO_REGISTER ? PROGRAM_START_CONSTANT
							    : PROGRAM_START_REGISTER;
		if (arg.start == PROGRAM_START_REGISTER)
			arg.derefs[0] = from->number;
		else
			arg.number = from->number;
		if (from->is_address && from->reg != USDT_NO_REGISTER) {
			/* variable(%reg): the register is what is added. */
			arg.index = from->reg;
			arg.scale = 1;
		}
	}
	return arg;
}

/* --- a module --- */

struct found {
	const struct usdt_note *note;
	struct usdt_arg args[USDT_ARGS_MAX];
	size_t nr_args;
};

struct applying {
	struct program_probes *probes;
	const struct program_elf *elf;
	struct program_module_probes *module;
	struct symbol_files files;
	struct usdt_notes notes;
	struct found *found;
	size_t nr;
	uint32_t base;
};

static int compare_found(const void *a, const void *b)
{
	const struct found *left = a, *right = b;

	if (left->note->address != right->note->address)
		return left->note->address < right->note->address ? -1 : 1;
	return left->note < right->note ? -1 : left->note > right->note;
}

static bool means(const struct wanted *wanted, const struct program_elf *elf,
		  const struct usdt_note *note)
{
	return fnmatch(wanted->provider, note->provider, 0) == 0 &&
	       fnmatch(wanted->name, note->name, 0) == 0 &&
	       (!wanted->file || function_library_is(wanted->file, elf->name, elf->path));
}

static bool is_wanted(struct program_probes *probes, const struct program_elf *elf,
		      const struct usdt_note *note)
{
	bool any = false;

	for (size_t i = 0; i < probes->nr_wanted; i++) {
		if (means(&probes->wanted[i], elf, note))
			any = probes->wanted[i].matched = true;
	}
	return any;
}

static int skip(struct applying *applying, const struct found *found, const char *what,
		const char *reason)
{
	struct program_module_probes *module = applying->module;
	_cleanup_out_ struct out name = {0}, text = {0};
	struct program_probe_skipped skipped;
	int r = array_reserve(&module->skipped, &module->cap_skipped, module->nr_skipped + 1,
			      sizeof(skipped));

	out_printf(&name, "usdt:%s:%s at 0x%llx", found->note->provider, found->note->name,
		   (unsigned long long)found->note->address);
	out_printf(&text, "%s%s", what, reason);
	if (r < 0 || name.failed || text.failed)
		return -ENOMEM;
	skipped.name = mem_strdup(out_cstr(&name));
	skipped.reason = mem_strdup(out_cstr(&text));
	if (!skipped.name || !skipped.reason) {
		mem_free(skipped.name);
		mem_free(skipped.reason);
		return -ENOMEM;
	}
	module->skipped[module->nr_skipped++] = skipped;
	return 0;
}

/* Notes that are wanted, in order of address. */
static int find(struct applying *applying)
{
	const struct usdt_notes *notes = &applying->notes;

	applying->found = mem_calloc(notes->nr + 1, sizeof(*applying->found));
	if (!applying->found)
		return -ENOMEM;
	for (size_t i = 0; i < notes->nr; i++) {
		struct found *found = &applying->found[applying->nr];

		if (!is_wanted(applying->probes, applying->elf, &notes->list[i]))
			continue;
		found->note = &notes->list[i];
		found->nr_args =
			usdt_args(found->note->args, usdt_symbol, &applying->files, found->args);
		applying->nr++;
	}
	qsort(applying->found, applying->nr, sizeof(*applying->found), compare_found);
	return 0;
}

/* The runtime counts in it: only where the program may, too. */
static bool is_writable(Elf *elf, uint64_t address)
{
	GElf_Phdr header;
	size_t nr = 0;

	elf_getphdrnum(elf, &nr);
	for (size_t i = 0; i < nr && i < LIMIT_SECTIONS; i++) {
		if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_LOAD &&
		    header.p_flags & PF_W && address >= header.p_vaddr && header.p_memsz >= 2 &&
		    address - header.p_vaddr <= header.p_memsz - 2)
			return true;
	}
	return false;
}

/* Where each argument goes, behind the address; the event's when it is the first of its kind. */
static int lay_out(struct applying *applying, const struct found *found,
		   struct program_probe *probe, struct probe_event *event)
{
	uint32_t offset = 8;
	size_t nr = 0;
	int r = 0;

	for (size_t i = 0; i < found->nr_args && r == 0; i++) {
		const struct usdt_arg *from = &found->args[i];
		struct program_probe_arg *arg = &probe->args[nr];
		char what[64];

		if (from->kind == USDT_REFUSED) {
			snprintf(what, sizeof(what), "arg%zu is not recorded: ", i + 1);
			r = skip(applying, found, what, from->refused);
			continue;
		}
		*arg = fetch(from);
		offset = (offset + from->size - 1u) & ~(from->size - 1u);
		arg->offset = (uint16_t)offset;
		offset += from->size;
		event->args[nr] = *arg;
		event->numbers[nr++] = (uint8_t)(i + 1);
	}
	probe->nr_args = (uint8_t)nr;
	probe->bytes = (offset + 3) & ~3u;
	event->nr_args = nr;
	return r;
}

/* What tells events of one name apart. */
static void put_types(const struct found *found, char types[TYPES_BYTES])
{
	size_t len = 0;

	for (size_t i = 0; i < found->nr_args; i++) {
		const struct usdt_arg *arg = &found->args[i];

		len += (size_t)snprintf(types + len, TYPES_BYTES - len, "%s ",
					arg->kind == USDT_REFUSED ? "-" : usdt_type(arg));
	}
	types[len] = '\0';
}

/* Filters and triggers of an event that has come up. */
static int ask_about(struct applying *applying, const struct found *found,
		     const struct probe_event *event, struct err *err)
{
	struct program_probes *probes = applying->probes;
	_cleanup_out_ struct out format = {0};
	struct program_watch_event_of_probes asked = {
		.system = event->system,
		.name = event->name,
		.number = event->number,
		.args = event->args,
		.nr_args = event->nr_args,
		.rules = probes->rules,
	};

	int r;

	put_format(&format, event, event->number);
	asked.format = out_cstr(&format);
	if (format.failed)
		return -ENOMEM;
	for (size_t i = 0; i < probes->nr_wanted; i++)
		probes->rules[i] = means(&probes->wanted[i], applying->elf, found->note);
	r = program_watcher_probe(probes->watcher, &asked, err);
	return r < 0 ? err_wrap(err, r, "%s:%s", event->system, event->name) : 0;
}

static int add_probe(struct applying *applying, const struct found *found, struct err *err)
{
	struct program_image_probes *image = &applying->module->image;
	struct program_probe *probe = &image->list[image->nr];
	const struct usdt_note *note = found->note;
	char system[NAME_BYTES], name[NAME_BYTES], types[TYPES_BYTES];
	struct probe_event *event;
	bool is_new;
	int r;

	snprintf(system, sizeof(system), PREFIX_SDT "%.240s", note->provider);
	snprintf(name, sizeof(name), "%.240s", note->name);
	make_name(system);
	make_name(name);
	put_types(found, types);
	r = get_event(applying->probes, system, name, types, &event);
	if (r < 0)
		return r;
	if (!event)
		return skip(applying, found, "", "there are too many events of probes");
	*probe = (struct program_probe){
		.address = note->address,
		.semaphore =
			note->semaphore && is_writable(applying->files.elves[0], note->semaphore)
				? note->semaphore
				: 0,
		.ip = applying->base + (uint32_t)(note->address - applying->elf->text_low),
		.event = event->number,
	};
	image->nr++;
	is_new = !event->laid_out;
	r = lay_out(applying, found, probe, event);
	event->laid_out = true;
	probe->watched =
		applying->probes->watcher && program_watcher_asks_probes(applying->probes->watcher);
	if (r == 0 && is_new && probe->watched)
		r = ask_about(applying, found, event, err);
	return r;
}

/* Plan the jumps, and keep what can be patched. */
static int plan(struct applying *applying, const char *path, struct err *err)
{
	_cleanup_free_ struct program_site *sites = mem_calloc(applying->nr + 1, sizeof(*sites));
	struct program_image_probes *image = &applying->module->image;
	size_t nr = 0;
	int r = 0;

	image->list = mem_calloc(applying->nr + 1, sizeof(*image->list));
	if (!sites || !image->list)
		return -ENOMEM;
	for (size_t i = 0; i < applying->nr; i++) {
		uint64_t address = applying->found[i].note->address;

		if (!nr || sites[nr - 1].address != address)
			sites[nr++].address = address;
	}
	r = program_sites_plan(applying->elf, path, sites, nr, &image->patches, &image->nr_patches,
			       err);
	for (size_t i = 0, site = 0; i < applying->nr && r == 0; i++) {
		const struct found *found = &applying->found[i];

		while (sites[site].address != found->note->address)
			site++;
		r = sites[site].skip
			    ? skip(applying, found, "", program_skip_text(sites[site].skip))
			    : add_probe(applying, found, err);
	}
	return r;
}

int program_probes_apply(struct program_probes *probes, const struct program_elf *elf,
			 const char *path, uint32_t base, struct program_module_probes *ret_module,
			 struct err *err)
{
	struct program_module_probes module = {.nr_skipped = 0};
	struct applying applying = {
		.probes = probes,
		.elf = elf,
		.module = &module,
		.base = base,
	};
	int r = symbol_files_open(&applying.files, path, err);

	if (r == 0)
		r = usdt_notes_read(&applying.notes, applying.files.elves[0]);
	if (r == 0)
		r = find(&applying);
	if (r == 0 && applying.nr)
		r = plan(&applying, path, err);
	mem_free(applying.found);
	usdt_notes_done(&applying.notes);
	symbol_files_close(&applying.files);
	if (r < 0) {
		program_module_probes_done(&module);
		return err->text[0] ? r : err_sys(err, r, "cannot plan its probes");
	}
	*ret_module = module;
	return 0;
}

void program_module_probes_done(struct program_module_probes *module)
{
	for (size_t i = 0; i < module->nr_skipped; i++) {
		mem_free(module->skipped[i].name);
		mem_free(module->skipped[i].reason);
	}
	mem_free(module->skipped);
	mem_free(module->image.patches);
	mem_free(module->image.list);
	*module = (struct program_module_probes){.nr_skipped = 0};
}
