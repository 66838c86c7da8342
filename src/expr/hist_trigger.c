/* SPDX-License-Identifier: MIT */
/* A set of triggers: adding, pausing, clearing, sharing by name and removing them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "expr/hist_private.h"

enum {
	SINCE_6_2 = 602,
	SINCE_6_4 = 604,
	SINCE_6_9 = 609
};

struct hist_kernel hist_kernel_from_release(const char *release)
{
	unsigned int major = 0, minor = 0, version = UINT32_MAX;

	for (const char *at = release; at && *at; at++) {
		bool starts = at == release || at[-1] == ' ';

		if (starts && sscanf(at, "%3u.%3u.", &major, &minor) == 2) {
			version = major * 100 + minor;
			break;
		}
	}
	return (struct hist_kernel){
		.nohitcount = version >= SINCE_6_2,
		.filter_errors = version >= SINCE_6_2,
		.stack_fields = version >= SINCE_6_4,
		.double_pop = version >= SINCE_6_9,
		.skip_frames = 2, /* the event's own two functions */
	};
}

int hist_set_new(struct hist_set **ret_set, const struct event_db *db,
		 const struct hist_options *options)
{
	struct hist_set *set = mem_zalloc(sizeof(*set));

	if (!set)
		return -ENOMEM;
	set->db = db;
	set->options = *options;
	kfilter_kernel_init(&set->filters, options->release, 0);
	set->filters.db = db;
	*ret_set = set;
	return 0;
}

static void free_hist(struct hist *hist)
{
	struct hist_data *data = hist->data;

	kfilter_free(hist->filter);
	mem_free(hist->filter_text);
	if (--data->refs == 0)
		hist_data_free(data);
	mem_free(hist);
}

void hist_set_free(struct hist_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->nr_triggers; i++)
		free_hist(set->triggers[i]);
	hist_synthetics_done(set);
	mem_free(set->triggers);
	mem_free(set->var_data);
	mem_free(set->slots);
	mem_free(set->lost);
	mem_free(set->command);
	mem_free(set->place);
	mem_free(set->filter_command);
	mem_free(set);
}

static void log_error(struct hist_set *set, const struct hist_error *error)
{
	if (set->nr_errors < HIST_ERRORS)
		set->errors[set->nr_errors++] = *error;
}

void hist_refuse(struct hist_set *set, const char *message, const char *text)
{
	const char *found = text && set->command ? strstr(set->command, text) : NULL;

	if (set->command)
		log_error(set, &(struct hist_error){message, set->place, set->command,
						    found ? (size_t)(found - set->command) : 0});
}

const char *hist_set_error(const struct hist_set *set, size_t i, const char **ret_place,
			   const char **ret_command, size_t *ret_at)
{
	if (i >= set->nr_errors)
		return NULL;
	*ret_place = set->errors[i].place;
	*ret_command = set->errors[i].command;
	*ret_at = set->errors[i].at;
	return set->errors[i].message;
}

int hist_begin_text(struct hist_set *set, const char *prefix, const char *text, const char *place)
{
	size_t size = strlen(prefix) + strlen(text) + 1;

	mem_free(set->command);
	mem_free(set->place);
	set->nr_errors = 0;
	set->place = mem_strdup(place);
	set->command = mem_alloc(size);
	if (!set->command || !set->place)
		return -ENOMEM;
	snprintf(set->command, size, "%s%s", prefix, text);
	return 0;
}

int hist_report_error(const struct hist_set *set, int code, const char *text, struct err *err)
{
	const struct hist_error *error = &set->errors[0];

	if (code == -ENOMEM && !set->nr_errors)
		return err_set(err, code, "%s: out of memory, or a field of no usable type", text);
	if (!set->nr_errors)
		return err_set(err, code, "%s: the kernel refuses this without a reason (%s)", text,
			       err_name(code));
	return err_caret(err, code, error->command, error->at, "%s: %s", error->place,
			 error->message);
}

static bool same_field(const struct event_field *a, const struct hist_node *na,
		       const struct event_field *b, const struct hist_node *nb)
{
	if (a == b)
		return true;
	return a && b && strcmp(a->name, b->name) == 0 && strcmp(na->type, nb->type) == 0 &&
	       a->size == b->size &&
	       !(a->flags & EVENT_FIELD_SIGNED) == !(b->flags & EVENT_FIELD_SIGNED);
}

static bool same_node(const struct hist_node *a, const struct hist_node *b)
{
	return a->flags == b->flags && same_field(a->field, a, b->field, b) &&
	       a->offset == b->offset && a->size == b->size && a->is_signed == b->is_signed &&
	       !a->var == !b->var && (!a->var || strcmp(a->var, b->var) == 0);
}

static bool same_filter(const struct hist *a, const struct hist *b)
{
	return !a->filter_text == !b->filter_text &&
	       (!a->filter_text || strcmp(a->filter_text, b->filter_text) == 0);
}

/* Whether two triggers are the same one; `named`: the one that has the name of `a`. */
static bool same_trigger(const struct hist *a, const struct hist *b, const struct hist *named,
			 bool any_filter)
{
	const struct hist_data *x = a->data, *y = b->data;

	if (named ? named != b && named->data != b->data : b->name != NULL)
		return false;
	if (x->nr_vals != y->nr_vals || x->nr_nodes != y->nr_nodes || x->nr_sorts != y->nr_sorts)
		return false;
	for (uint32_t i = 0; i < x->nr_nodes; i++)
		if (!same_node(x->nodes[i], y->nodes[i]))
			return false;
	for (uint32_t i = 0; i < x->nr_sorts; i++)
		if (x->sorts[i].field != y->sorts[i].field ||
		    x->sorts[i].descending != y->sorts[i].descending)
			return false;
	return (any_filter || same_filter(a, b)) && hist_actions_match(x, y);
}

static struct hist *find_named(const struct hist_set *set, const char *name)
{
	for (size_t i = 0; name && i < set->nr_triggers; i++) {
		struct hist *hist = set->triggers[i];

		if (hist->name && strcmp(hist->name, name) == 0)
			return hist;
	}
	return NULL;
}

static struct hist *find_same(const struct hist *hist, const struct hist *named)
{
	struct hist *other = hist_first(hist->set, hist->event);

	while (other && !same_trigger(hist, other, named, false))
		other = other->next;
	return other;
}

/* pause, continue and clear of a trigger that is there already. */
static bool update_existing(struct hist *hist, const struct hist *named)
{
	const struct hist_attrs *attrs = &hist->data->attrs;
	struct hist *same;

	if (!attrs->pause && !attrs->cont && !attrs->clear)
		return false;
	if (attrs->name && (!named || !same_trigger(hist, named, named, true)))
		return false;
	same = find_same(hist, named);
	if (!same)
		return false;
	if (attrs->pause)
		same->paused = true;
	else if (attrs->cont)
		same->paused = false;
	else
		hist_map_clear(&same->data->map);
	return true;
}

static bool clock_known(const char *name)
{
	static const char *const clocks[] = {"local", "global",	  "counter", "uptime", "perf",
					     "mono",  "mono_raw", "boot",    "tai",    "x86-tsc"};

	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++)
		if (strcmp(name, clocks[i]) == 0)
			return true;
	return false;
}

/* The checks that come when a trigger is put in its place. */
static int check_register(struct hist *hist, struct hist *named)
{
	const struct hist_attrs *attrs = &hist->data->attrs;

	if (named && !same_trigger(hist, named, named, true)) {
		hist_refuse(hist->set,
			    "Named hist trigger doesn't match existing named trigger "
			    "(includes variables)",
			    attrs->name);
		return -EINVAL;
	}
	if (!(attrs->name && !named) && find_same(hist, named)) {
		hist_refuse(hist->set, "Hist trigger already exists", NULL);
		return -EEXIST;
	}
	if (attrs->cont || attrs->clear) {
		hist_refuse(hist->set, "Can't clear or continue a nonexistent hist trigger", NULL);
		return -ENOENT;
	}
	hist->paused = attrs->pause;
	if (hist->data->times && !clock_known(attrs->clock)) {
		hist_refuse(hist->set, "Couldn't set trace_clock", attrs->clock);
		return -EINVAL;
	}
	return 0;
}

static int init_map(struct hist_data *data)
{
	struct hist_map_layout layout = {
		.bits = data->attrs.bits ? data->attrs.bits : HIST_DEFAULT_BITS,
		.key_size = data->key_size,
		.nr_sums = data->nr_vals,
		.nr_vars = data->map.layout.nr_vars,
		.nr_strings = data->nr_field_strings + data->nr_save_strings + data->nr_var_strings,
		.string_bytes = HIST_STRING_BYTES,
		.comm_bytes = data->wants_comm ? HIST_COMM_BYTES : 0,
	};

	if (!data->set->options.strict && !data->attrs.bits)
		layout.bits = HIST_MAX_BITS;
	if (layout.nr_strings > HIST_PARAMS)
		return -ENOMEM;
	return hist_map_init(&data->map, &layout);
}

/* Others may refer to its variables from now on. */
static int publish_variables(struct hist_data *data)
{
	struct hist_set *set = data->set;
	bool has_vars = data->nr_var_refs > 0;
	int r;

	for (uint32_t i = 0; i < data->nr_nodes; i++)
		has_vars |= hist_has_vars(data->nodes[i], 0);
	if (!has_vars)
		return 0;
	r = array_reserve(&set->var_data, &set->cap_var_data, set->nr_var_data + 1,
			  sizeof(*set->var_data));
	if (r >= 0) {
		set->var_data[set->nr_var_data++] = data;
		data->saved = true;
	}
	return r;
}

static int reserve_slot(struct hist_set *set, size_t id)
{
	int r;

	if (id < set->nr_slots)
		return 0;
	r = array_reserve(&set->slots, &set->cap_slots, id + 1, sizeof(*set->slots));
	if (r < 0)
		return r;
	memset(set->slots + set->nr_slots, 0,
	       (set->cap_slots - set->nr_slots) * sizeof(*set->slots));
	set->nr_slots = set->cap_slots;
	return 0;
}

static int link_hist(struct hist *hist)
{
	struct hist_set *set = hist->set;
	struct hist_event_slot *slot;
	struct hist **end;
	int r = array_reserve(&set->triggers, &set->cap_triggers, set->nr_triggers + 1,
			      sizeof(*set->triggers));

	if (r >= 0)
		r = reserve_slot(set, hist->event->id);
	if (r < 0)
		return r;
	set->triggers[set->nr_triggers++] = hist;
	slot = &set->slots[hist->event->id];
	end = &slot->first;
	while (*end)
		end = &(*end)->next;
	*end = hist;
	slot->stack |= hist->data->wants_stack;
	return 0;
}

static void forget_variables(struct hist_data *data)
{
	struct hist_set *set = data->set;
	size_t nr = 0;

	for (size_t i = 0; i < set->nr_var_data; i++)
		if (set->var_data[i] != data)
			set->var_data[nr++] = set->var_data[i];
	set->nr_var_data = nr;
	data->saved = false;
	if (set->snapshot == data)
		set->snapshot = NULL;
}

static void remove_hist(struct hist *hist)
{
	struct hist_set *set = hist->set;
	struct hist **at = &set->slots[hist->event->id].first;
	size_t nr = 0;

	while (*at != hist)
		at = &(*at)->next;
	*at = hist->next;
	for (size_t i = 0; i < set->nr_triggers; i++)
		if (set->triggers[i] != hist)
			set->triggers[nr++] = set->triggers[i];
	set->nr_triggers = nr;
	if (hist->data->refs == 1) {
		forget_variables(hist->data);
		for (uint32_t i = 0; i < hist->data->nr_field_hists; i++)
			remove_hist(hist->data->field_hists[i]);
	}
	free_hist(hist);
}

/* Whether another trigger refers to a variable of this one. */
static bool is_referred_to(const struct hist_data *data)
{
	for (size_t i = 0; i < data->set->nr_var_data; i++) {
		const struct hist_data *other = data->set->var_data[i];

		for (uint32_t j = 0; other != data && j < other->nr_var_refs; j++)
			if (other->var_refs[j]->var_owner == data)
				return true;
	}
	return false;
}

static int place_hist(struct hist *hist, bool remove, struct hist **ret_hist)
{
	struct hist *named = find_named(hist->set, hist->data->attrs.name);
	struct hist *same;
	int r;

	if (remove) {
		same = find_same(hist, named);
		if (same && is_referred_to(same->data))
			return -EBUSY;
		if (same)
			remove_hist(same);
		return 0;
	}
	if (update_existing(hist, named))
		return 0;
	r = hist_create_actions(hist->data);
	if (r >= 0)
		r = publish_variables(hist->data);
	if (r >= 0)
		r = init_map(hist->data);
	if (r >= 0)
		r = check_register(hist, named);
	if (r < 0)
		return r;
	hist->name = hist->data->attrs.name;
	if (named) { /* counts into the one that was there first */
		forget_variables(hist->data);
		hist_data_free(hist->data);
		hist->data = named->data;
		hist->name = named->name;
		hist->data->refs++;
	}
	r = link_hist(hist);
	if (r >= 0)
		*ret_hist = hist;
	return r;
}

static int set_filter(struct hist *hist, const char *text)
{
	struct hist_set *set = hist->set;
	struct kfilter_kernel kernel = set->filters;
	struct kfilter_error error = {0};
	int r;

	text += strcspn(text, " \t");
	if (!*text)
		return -EINVAL;
	text++;
	hist->filter_text = mem_strdup(text);
	if (!hist->filter_text)
		return -ENOMEM;
	if (set->options.counted)
		return 0;
	kernel.is_program = hist->event == set->calls;
	r = kfilter_new(&hist->filter, hist->event, text, &kernel,
			set->options.strict ? KFILTER_STRICT : 0, &error, NULL);
	set->filters_ask_comm |= r == 0 && kfilter_asks_comm(hist->filter);
	if (r < 0 && error.message && set->options.kernel.filter_errors) {
		mem_free(set->filter_command);
		set->filter_command = mem_strdup(text);
		log_error(set, &(struct hist_error){error.message, "event filter parse error",
						    set->filter_command ? set->filter_command : "",
						    error.column});
	}
	return r;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Cuts "... if FILTER" in two; *ret_filter is NULL when there is none. The kernel looks for the
 * first "if" between blanks.
 */
static int split_filter(char **text, char **ret_filter)
{
	size_t len = strlen(*text);
	char *at = *text;

	*ret_filter = NULL;
	while ((at = strstr(at, "if"))) {
		if (at == *text)
			return -EINVAL;
		if (is_blank(at[-1])) {
			if (at + 3 >= *text + len)
				return -EINVAL;
			if (is_blank(at[2]))
				break;
		}
		at++;
	}
	if (!at)
		return 0;
	at[-1] = '\0';
	*ret_filter = at;
	*text = hist_strip(*text);
	return 0;
}

/* A dash in a modifier would be taken for a minus sign. */
static void hide_dashes(char *text)
{
	for (char *at = text; (at = strstr(at, ".sym-offset")); at += 11)
		at[4] = 'X';
}

static int make_hist(struct hist_set *set, const struct event *event, char *text, bool remove,
		     struct arena *arena, struct hist **ret_hist)
{
	struct hist_attrs attrs;
	struct hist_data *data;
	struct hist *hist;
	char *filter;
	int r = split_filter(&text, &filter);

	if (r < 0)
		return r;
	hide_dashes(text);
	r = hist_parse_attrs(set, arena, text, &attrs);
	if (r >= 0)
		r = hist_data_new(set, event, &attrs, arena, remove, &data);
	if (r < 0)
		return r;
	hist = mem_zalloc(sizeof(*hist));
	if (!hist) {
		hist_data_free(data);
		return -ENOMEM;
	}
	*hist = (struct hist){.set = set, .event = event, .data = data};
	data->refs = 1;
	r = filter ? set_filter(hist, filter) : 0;
	if (r < 0) {
		free_hist(hist);
		return r;
	}
	*ret_hist = hist;
	return 0;
}

/* Take back what a trigger that was refused has set up. */
static void undo(struct hist *hist)
{
	forget_variables(hist->data);
	for (uint32_t i = 0; i < hist->data->nr_field_hists; i++)
		remove_hist(hist->data->field_hists[i]);
	free_hist(hist);
}

static int add(struct hist_set *set, const struct event *event, const char *text, bool remove,
	       struct hist **ret_hist)
{
	struct arena arena = {0};
	char *copy = arena_strdup(&arena, text);
	struct hist *hist, *placed = NULL;
	int r = copy ? make_hist(set, event, copy, remove, &arena, &hist) : -ENOMEM;

	arena_done(&arena);
	if (r < 0)
		return r;
	r = place_hist(hist, remove, &placed);
	if (!placed)
		undo(hist);
	*ret_hist = placed;
	return r;
}

int hist_add_trigger(struct hist_set *set, const struct event *event, const char *text,
		     struct hist **ret_hist)
{
	return add(set, event, text, false, ret_hist);
}

int hist_set_trigger(struct hist_set *set, const struct event *event, const char *text,
		     struct err *err)
{
	_cleanup_out_ struct out place = {0};
	_cleanup_free_ char *copy = mem_strdup(text);
	bool remove = *text == '!';
	struct hist *hist;
	char *rest;
	const char *word;
	int r;

	set->nr_errors = 0;
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	rest = hist_strip(copy);
	word = strsep(&rest, ": \t");
	if (strcmp(word + remove, "hist") != 0)
		return err_caret(err, -EINVAL, text, 0, "a hist trigger begins with 'hist:keys='");
	if (rest)
		rest += strspn(rest, HIST_BLANKS);
	if (!rest || !*rest)
		return err_set(err, -EINVAL, "a hist trigger needs keys: 'hist:keys=FIELD'");
	out_printf(&place, "hist:%s:%s", event->system, event->name);
	r = hist_begin_text(set, "hist:", rest, out_cstr(&place));
	if (r >= 0)
		r = strlen(text) < HIST_TRIGGER_BYTES ? add(set, event, rest, remove, &hist)
						      : -EINVAL;
	return r < 0 ? hist_report_error(set, r, text, err) : 0;
}

const struct event *hist_set_event(const struct hist_set *set, const char *system, const char *name)
{
	const struct event *event = event_db_by_name(set->db, system, name);

	for (size_t i = 0; !event && i < set->nr_synthetics; i++) {
		const struct event *synthetic = set->synthetics[i]->event;

		if (strcmp(synthetic->name, name) == 0 &&
		    (!system || strcmp(system, "synthetic") == 0))
			event = synthetic;
	}
	return event;
}

const struct event *hist_set_find_event(const struct hist_set *set, const char *name)
{
	size_t len = strcspn(name, ":./");
	_cleanup_free_ char *system = NULL;

	if (!name[len])
		return hist_set_event(set, NULL, name);
	system = mem_strndup(name, len);
	return system ? hist_set_event(set, system, name + len + 1) : NULL;
}

void hist_set_comm(struct hist_set *set, hist_comm_fn *comm, void *arg)
{
	set->comm = comm;
	set->comm_arg = arg;
}

void hist_set_calls(struct hist_set *set, const struct event *event)
{
	set->calls = event;
}

void hist_set_emit(struct hist_set *set, hist_emit_fn *emit, void *arg)
{
	set->emit = emit;
	set->emit_arg = arg;
}

bool hist_set_wants(const struct hist_set *set, const struct event *event, bool *ret_stack)
{
	*ret_stack = event->id < set->nr_slots && set->slots[event->id].stack;
	return hist_first(set, event) != NULL;
}

size_t hist_set_count(const struct hist_set *set)
{
	return set->nr_triggers;
}

const struct hist *hist_set_at(const struct hist_set *set, size_t index)
{
	return set->triggers[index];
}

const struct event *hist_event(const struct hist *hist)
{
	return hist->event;
}

const struct event_db *hist_db(const struct hist *hist)
{
	return hist->set->db;
}
