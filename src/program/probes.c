/* SPDX-License-Identifier: MIT */
/*
 * From what is wanted to what an image records: what a module has of it is sorted by address, the
 * jumps are planned for all of it at once, and what can be patched gets an event.
 */
#include "program/probes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "program/image_probes.h"
#include "program/probes_private.h"

struct program_probes {
	struct program_watcher *watcher;
	struct probe_wanted *wanted;
	size_t nr_wanted;
	struct probe_events events;
};

int program_probes_new(struct program_probes **ret_probes, const struct program_rule *rules,
		       size_t nr, struct program_watcher *watcher, struct err *err)
{
	struct program_probes *probes = mem_zalloc(sizeof(*probes));
	int r = 0;

	if (probes) {
		probes->watcher = watcher;
		probes->wanted = mem_calloc(nr + 1, sizeof(*probes->wanted));
	}
	if (!probes || !probes->wanted) {
		program_probes_free(probes);
		return err_sys(err, -ENOMEM, "cannot read the probes");
	}
	for (; probes->nr_wanted < nr && r == 0; probes->nr_wanted++)
		r = probe_wanted_read(&probes->wanted[probes->nr_wanted],
				      rules[probes->nr_wanted].events, err);
	if (r < 0) {
		program_probes_free(probes);
		return r;
	}
	*ret_probes = probes;
	return 0;
}

void program_probes_free(struct program_probes *probes)
{
	if (!probes)
		return;
	for (size_t i = 0; i < probes->nr_wanted; i++)
		probe_wanted_done(&probes->wanted[i]);
	probe_events_done(&probes->events);
	mem_free(probes->wanted);
	mem_free(probes);
}

bool program_probes_refused(const struct program_probes *probes, size_t *at, const char **ret_text,
			    const char **ret_why)
{
	for (; *at < probes->nr_wanted; ++*at) {
		const struct probe_wanted *wanted = &probes->wanted[*at];

		if (!wanted->refused)
			continue;
		*ret_text = wanted->text;
		*ret_why = wanted->refused;
		++*at;
		return true;
	}
	return false;
}

bool program_probes_see_returns(const struct program_probes *probes)
{
	for (size_t i = 0; i < probes->nr_wanted; i++) {
		if (probes->wanted[i].is_return)
			return true;
	}
	return false;
}

const char *program_probes_unmatched(const struct program_probes *probes)
{
	for (size_t i = 0; i < probes->nr_wanted; i++) {
		if (!probes->wanted[i].matched)
			return probes->wanted[i].text;
	}
	return NULL;
}

bool program_probes_next(struct program_probes *probes, uint16_t base, const char **ret_system,
			 struct out *out)
{
	const struct probe_event *event;

	if (probes->events.nr_told == probes->events.nr)
		return false;
	event = probes->events.list[probes->events.nr_told++];
	*ret_system = event->system;
	probe_event_format(out, event, (uint16_t)(base + event->number));
	return true;
}

/* --- what a module has --- */

struct applying {
	struct program_probes *probes;
	const struct program_elf *elf;
	struct program_module_probes *module;
	struct symbol_files files;
	struct usdt_notes notes;
	struct probe_found *found;
	bool *rules; /* of each found one, which -e mean it */
	size_t nr;
	uint32_t base;
};

static int compare_found(const void *a, const void *b)
{
	const struct probe_found *left = a, *right = b;

	if (left->address != right->address)
		return left->address < right->address ? -1 : 1;
	return left->order < right->order ? -1 : left->order > right->order;
}

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

static void take_note(struct applying *applying, const struct usdt_note *note,
		      struct probe_found *found)
{
	struct usdt_arg args[USDT_ARGS_MAX];

	found->address = note->address;
	if (note->semaphore && is_writable(applying->files.elves[0], note->semaphore))
		found->semaphore = note->semaphore;
	snprintf(found->system, sizeof(found->system), "sdt_%.240s", note->provider);
	snprintf(found->name, sizeof(found->name), "%.240s", note->name);
	probe_make_name(found->system);
	probe_make_name(found->name);
	found->nr_fields = usdt_args(note->args, usdt_symbol, &applying->files, args);
	for (size_t i = 0; i < found->nr_fields; i++) {
		struct probe_field *field = &found->fields[i];

		snprintf(field->name, sizeof(field->name), "arg%zu", i + 1);
		field->letter = args[i].is_signed ? 's' : 'u';
		field->fetch = fetch(&args[i]);
		field->refused = args[i].kind == USDT_REFUSED ? args[i].refused : NULL;
	}
}

/* As linked; false: no code is there. */
static bool address_of(const struct program_elf *elf, uint64_t offset, uint64_t *ret_address)
{
	for (size_t i = 0; i < elf->nr_texts; i++) {
		const struct program_text *text = &elf->texts[i];

		if (offset - text->offset < text->bytes) {
			*ret_address = text->address + (offset - text->offset);
			return true;
		}
	}
	return false;
}

/* A function that begins with endbr64 is probed behind it, as its jump has to be. */
static uint64_t behind_endbr(const struct program_elf *elf, uint64_t address)
{
	const struct program_function *function = program_elf_find(elf, address);

	return function && function->address == address ? address + function->site : address;
}

static bool take_definition(const struct applying *applying, const struct probe_wanted *wanted,
			    struct probe_found *found)
{
	if (!probe_wanted_is_file(wanted, applying->elf) ||
	    !address_of(applying->elf, wanted->offset, &found->address))
		return false;
	found->is_return = wanted->is_return;
	if (!found->is_return)
		found->address = behind_endbr(applying->elf, found->address);
	memcpy(found->system, wanted->group, sizeof(wanted->group));
	memcpy(found->name, wanted->event, sizeof(wanted->event));
	memcpy(found->fields, wanted->fields, sizeof(found->fields));
	found->nr_fields = wanted->nr_fields;
	return true;
}

static bool *rules_of(const struct applying *applying, size_t index)
{
	return applying->rules + index * applying->probes->nr_wanted;
}

static struct probe_found *next_found(struct applying *applying)
{
	struct probe_found *found = &applying->found[applying->nr];

	found->order = applying->nr;
	found->rules = rules_of(applying, applying->nr);
	return found;
}

static void find_notes(struct applying *applying)
{
	struct program_probes *probes = applying->probes;

	for (size_t i = 0; i < applying->notes.nr; i++) {
		const struct usdt_note *note = &applying->notes.list[i];
		bool *rules = rules_of(applying, applying->nr), any = false;

		for (size_t k = 0; k < probes->nr_wanted; k++) {
			rules[k] = probe_wanted_is_note(&probes->wanted[k], applying->elf, note);
			probes->wanted[k].matched |= rules[k];
			any |= rules[k];
		}
		if (!any)
			continue;
		take_note(applying, note, next_found(applying));
		applying->nr++;
	}
}

/* In order of address. */
static int find(struct applying *applying)
{
	struct program_probes *probes = applying->probes;
	size_t most = applying->notes.nr + probes->nr_wanted;

	applying->found = mem_calloc(most + 1, sizeof(*applying->found));
	applying->rules = mem_calloc((most + 1) * probes->nr_wanted, sizeof(*applying->rules));
	if (!applying->found || !applying->rules)
		return -ENOMEM;
	find_notes(applying);
	for (size_t i = 0; i < probes->nr_wanted; i++) {
		if (!take_definition(applying, &probes->wanted[i], next_found(applying)))
			continue;
		probes->wanted[i].matched = true;
		rules_of(applying, applying->nr++)[i] = true;
	}
	qsort(applying->found, applying->nr, sizeof(*applying->found), compare_found);
	return 0;
}

/* --- what of it can be patched --- */

static int skip(struct applying *applying, const struct probe_found *found, const char *field,
		const char *reason)
{
	struct program_module_probes *module = applying->module;
	_cleanup_out_ struct out name = {0}, text = {0};
	struct program_probe_skipped skipped;
	int r = array_reserve(&module->skipped, &module->cap_skipped, module->nr_skipped + 1,
			      sizeof(skipped));

	out_printf(&name, "%s:%s at 0x%llx", found->system, found->name,
		   (unsigned long long)found->address);
	out_printf(&text, "%s%s%s", field, *field ? " is not recorded: " : "", reason);
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

/* Filters and triggers of an event that has come up. */
static int ask_about(struct applying *applying, const struct probe_found *found,
		     const struct probe_event *event, struct err *err)
{
	struct program_probe_arg args[PROGRAM_PROBE_ARGS_MAX];
	_cleanup_out_ struct out format = {0};
	struct program_watch_event_of_probes asked = {
		.system = event->system,
		.name = event->name,
		.number = event->number,
		.args = args,
		.nr_args = event->nr_fields,
		.rules = found->rules,
	};
	int r;

	for (size_t i = 0; i < event->nr_fields; i++)
		args[i] = event->fields[i].fetch;
	probe_event_format(&format, event, event->number);
	asked.format = out_cstr(&format);
	if (format.failed)
		return -ENOMEM;
	r = program_watcher_probe(applying->probes->watcher, &asked, err);
	return r < 0 ? err_wrap(err, r, "%s:%s", event->system, event->name) : 0;
}

/* How this probe's fields are fetched; where they go is the event's. */
static int put_fields(struct applying *applying, const struct probe_found *found,
		      const struct probe_event *event, struct program_probe *probe)
{
	int r = 0;

	for (size_t i = 0; i < found->nr_fields && r == 0; i++) {
		const struct probe_field *field = &found->fields[i];

		if (field->refused) {
			r = skip(applying, found, field->name, field->refused);
			continue;
		}
		probe->args[probe->nr_args] = field->fetch;
		probe->args[probe->nr_args].offset = event->fields[probe->nr_args].fetch.offset;
		probe->nr_args++;
	}
	return r;
}

static int add_probe(struct applying *applying, const struct probe_found *found, struct err *err)
{
	struct program_image_probes *image = &applying->module->image;
	struct program_watcher *watcher = applying->probes->watcher;
	struct program_probe *probe = &image->list[image->nr];
	struct probe_event *event;
	bool is_new;
	int r = probe_events_get(&applying->probes->events, found, &event, &is_new);

	if (r < 0)
		return r;
	if (!event)
		return skip(applying, found, "", "there are too many events of probes");
	*probe = (struct program_probe){
		.address = found->address,
		.semaphore = found->semaphore,
		.ip = applying->base + (uint32_t)(found->address - applying->elf->text_low),
		.event = event->number,
		.watched = watcher && program_watcher_asks_probes(watcher),
		.bytes = probe_event_bytes(event),
		.is_return = found->is_return,
	};
	image->nr++;
	r = put_fields(applying, found, event, probe);
	return r == 0 && is_new && probe->watched ? ask_about(applying, found, event, err) : r;
}

/* It, or what it is not. */
static int add_or_skip(struct applying *applying, const struct probe_found *found, struct err *err)
{
	const char *why = program_skip_text((enum program_skip)found->skip);

	if (!found->skip)
		return add_probe(applying, found, err);
	for (size_t i = 0; i < applying->probes->nr_wanted; i++) {
		struct probe_wanted *wanted = &applying->probes->wanted[i];

		if (found->rules[i] && wanted->is_definition)
			wanted->refused = why;
	}
	return skip(applying, found, "", why);
}

/* A return is seen by a stub of its function, in which probes of the entry are hit, too. */
static void take_function(struct applying *applying, struct probe_found *returns)
{
	const struct program_function *function = program_elf_find(applying->elf, returns->address);

	if (!function || function->address != returns->address)
		returns->skip = PROGRAM_SKIP_NO_START;
	else if (function->skip)
		returns->skip = function->skip;
	else if (function->entry_only)
		returns->skip = PROGRAM_SKIP_ENTRY_ONLY;
	else
		returns->function = function;
	for (size_t i = 0; i < applying->nr && returns->function; i++) {
		struct probe_found *found = &applying->found[i];

		if (!found->is_return && found->address == function->address + function->site)
			found->function = function;
	}
}

/* Plan the jumps of those that have their own. */
static int plan_sites(struct applying *applying, const char *path, struct err *err)
{
	_cleanup_free_ struct program_site *sites = mem_calloc(applying->nr + 1, sizeof(*sites));
	struct program_image_probes *image = &applying->module->image;
	size_t nr = 0;
	int r;

	if (!sites)
		return -ENOMEM;
	for (size_t i = 0; i < applying->nr; i++) {
		const struct probe_found *found = &applying->found[i];

		if (!found->is_return && !found->function &&
		    (!nr || sites[nr - 1].address != found->address))
			sites[nr++].address = found->address;
	}
	if (!nr)
		return 0;
	r = program_sites_plan(applying->elf, path, sites, nr, &image->patches, &image->nr_patches,
			       err);
	for (size_t i = 0, site = 0; i < applying->nr && r == 0; i++) {
		struct probe_found *found = &applying->found[i];

		if (found->is_return || found->function)
			continue;
		while (sites[site].address != found->address)
			site++;
		found->skip = sites[site].skip;
	}
	return r;
}

/* Those of the function that are hit at its entry, or at its return; how many are recorded. */
static int add_of_function(struct applying *applying, const struct program_function *function,
			   bool is_return, uint32_t *ret_nr, struct err *err)
{
	struct program_image_probes *image = &applying->module->image;
	size_t first = image->nr;
	int r = 0;

	for (size_t i = 0; i < applying->nr && r == 0; i++) {
		struct probe_found *found = &applying->found[i];

		if (found->function != function || found->is_return != is_return)
			continue;
		if (image->nr - first == PROGRAM_FUNCTION_PROBES_MAX)
			r = skip(applying, found, "", "there are too many probes of this function");
		else
			r = add_or_skip(applying, found, err);
	}
	*ret_nr = (uint32_t)(image->nr - first);
	for (size_t i = first; i < image->nr && is_return; i++)
		image->list[i].nr_more = (uint16_t)(image->nr - i - 1);
	return r;
}

static int add_function(struct applying *applying, const struct program_function *function,
			struct err *err)
{
	struct program_image_probes *image = &applying->module->image;
	struct program_probed_function probed = {
		.function = (uint32_t)(function - applying->elf->functions),
		.first = (uint32_t)image->nr,
	};
	int r;

	/* A jump that was planned for another probe may be where the stub's would be. */
	for (size_t i = 0; i < applying->nr && image_probes_are_at(image, function); i++) {
		if (applying->found[i].function == function)
			applying->found[i].skip = PROGRAM_SKIP_PROBE;
	}
	r = add_of_function(applying, function, false, &probed.nr_hits, err);
	if (r == 0)
		r = add_of_function(applying, function, true, &probed.nr_returns, err);
	if (r == 0 && image->nr != probed.first)
		image->functions[image->nr_functions++] = probed;
	return r;
}

/* Plan the jumps, and keep what can be patched: first what has jumps of its own. */
static int plan(struct applying *applying, const char *path, struct err *err)
{
	struct program_image_probes *image = &applying->module->image;
	const struct program_function *last = NULL;
	int r;

	image->list = mem_calloc(applying->nr + 1, sizeof(*image->list));
	image->functions = mem_calloc(applying->nr + 1, sizeof(*image->functions));
	if (!image->list || !image->functions)
		return -ENOMEM;
	for (size_t i = 0; i < applying->nr; i++) {
		if (applying->found[i].is_return)
			take_function(applying, &applying->found[i]);
	}
	r = plan_sites(applying, path, err);
	for (size_t i = 0; i < applying->nr && r == 0; i++) {
		if (!applying->found[i].function)
			r = add_or_skip(applying, &applying->found[i], err);
	}
	image->nr_at_patches = image->nr;
	for (size_t i = 0; i < applying->nr && r == 0; i++) {
		const struct program_function *function = applying->found[i].function;

		if (function && function != last)
			r = add_function(applying, function, err);
		last = function ? function : last;
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

	if (r < 0)
		return r;
	r = usdt_notes_read(&applying.notes, applying.files.elves[0]);
	if (r == 0)
		r = find(&applying);
	if (r == 0 && applying.nr)
		r = plan(&applying, path, err);
	mem_free(applying.found);
	mem_free(applying.rules);
	usdt_notes_done(&applying.notes);
	symbol_files_close(&applying.files);
	if (r < 0) {
		program_module_probes_done(&module);
		return r == -ENOMEM ? err_sys(err, r, "cannot plan its probes") : r;
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
	mem_free(module->image.functions);
	mem_free(module->image.list);
	*module = (struct program_module_probes){.nr_skipped = 0};
}
