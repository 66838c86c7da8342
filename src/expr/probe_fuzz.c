/* SPDX-License-Identifier: MIT */
/* A probe definition; what is made of it for the kernel is a definition of the same kind again. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "expr/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_module(const char *name)
{
	return name[0] == 'm';
}

static void read_again(const struct probe *probe)
{
	char name[PROBE_NAME_BYTES];
	_cleanup_out_ struct out out = {0};
	struct probe again;
	struct err err;

	probe_default_event(probe, name);
	probe_print(probe, probe->group ? probe->group : probe_default_group(probe->kind),
		    probe->event ? probe->event : name, "/file", probe->offset, &out);
	if (!probe_is_definition(out_cstr(&out)))
		abort();
	/* The line may have become too long, and an offset may be that of a return probe. */
	if (probe_parse(&again, out_cstr(&out), is_module, &err) < 0) {
		if (!strstr(err.text, "too long"))
			abort();
		return;
	}
	if (again.kind != probe->kind || again.is_return != probe->is_return ||
	    strcmp(again.args, probe->args) != 0)
		abort();
	probe_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_strndup((const char *)data, strnlen((const char *)data, size));
	struct probe probe;
	struct err err = {0};

	if (!text)
		return 0;
	if (!probe_is_definition(text))
		goto out;
	if (probe_parse(&probe, text, is_module, &err) == 0) {
		read_again(&probe);
		probe_done(&probe);
	} else if (!err.text[0]) {
		abort();
	}
out:
	mem_free(text);
	return 0;
}
