/* SPDX-License-Identifier: MIT */
#include "report/handlers.h"

#include <errno.h>
#include <string.h>

#define OPTION(plugin, name, field, initial, text)                                                 \
	{                                                                                          \
		plugin, name, text, offsetof(struct event_options, field), initial                 \
	}

const struct handler_option report_handler_options[] = {
	OPTION("ftrace", "parent", function_parent, false, "Print the caller of a traced function"),
	OPTION("ftrace", "indent", function_indent, true, "Indent traced functions by call depth"),
	OPTION("ftrace", "offset", function_offset, false,
	       "Print the offset of the traced place in its function"),
	OPTION("fgraph", "tailprint", graph_tailprint, false,
	       "Print the name of the function at its closing brace"),
	OPTION("fgraph", "depth", graph_depth, false, "Print the call depth of each function"),
	OPTION("fgraph", "retval-skip", graph_retval_skip, false, "Do not print return values"),
	OPTION("fgraph", "retval-dec", graph_retval_dec, false, "Print return values in decimal"),
	OPTION("fgraph", "retval-hex", graph_retval_hex, false, "Print return values in hex"),
	{0},
};

static bool *value_of(struct event_options *options, const struct handler_option *option)
{
	return (bool *)((char *)options + option->offset);
}

void handler_options_init(struct event_options *ret_options)
{
	*ret_options = (struct event_options){0};
	for (const struct handler_option *o = report_handler_options; o->name; o++)
		*value_of(ret_options, o) = o->initial;
}

static bool same(const char *name, const char *text, size_t len)
{
	return strlen(name) == len && !memcmp(name, text, len);
}

static int parse_value(const char *text, bool *ret_value)
{
	if (!strcmp(text, "1") || !strcmp(text, "true"))
		*ret_value = true;
	else if (!strcmp(text, "0") || !strcmp(text, "false"))
		*ret_value = false;
	else
		return -EINVAL;
	return 0;
}

int handler_options_set(struct event_options *options, const char *text, struct err *err)
{
	const char *equals = strchr(text, '=');
	const char *end = equals ? equals : text + strlen(text);
	const char *colon = memchr(text, ':', (size_t)(end - text));
	const char *name = colon ? colon + 1 : text;
	bool found = false;

	for (const struct handler_option *o = report_handler_options; o->name; o++) {
		bool *value = value_of(options, o);

		if (!same(o->name, name, (size_t)(end - name)))
			continue;
		if (colon && !same(o->plugin, text, (size_t)(colon - text)))
			continue;
		found = true;
		if (!equals)
			*value = !*value;
		else if (parse_value(equals + 1, value) < 0)
			return err_set(err, -EINVAL, "-O %s: '%s' is none of 0, 1, true, false",
				       text, equals + 1);
	}
	if (!found)
		return err_set(err, -EINVAL, "-O %s: no such option (`sonde options` lists them)",
			       text);
	return 0;
}
