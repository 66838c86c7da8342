/* SPDX-License-Identifier: MIT */
#include "cmd/split_choose.h"

#include <errno.h>

#include "base/mem.h"

static bool selects(const struct report_args *args)
{
	return args->nr_filters || args->nr_task_pids || args->task_comms.nr ||
	       args->shown_events.nr || args->triggers.nr;
}

static int make_choices(struct split_choices *choices, const struct dat *dat)
{
	for (size_t i = 0; i < dat->nr_buffers; i++)
		for (uint32_t k = 0; k < dat->buffers[i].nr_cpus; k++)
			choices->nr_cpus = MAX(choices->nr_cpus, dat->buffers[i].cpus[k].cpu + 1);
	choices->cpus = mem_calloc(dat->nr_buffers, sizeof(*choices->cpus));
	if (!choices->cpus)
		return -ENOMEM;
	for (; choices->nr_buffers < dat->nr_buffers; choices->nr_buffers++) {
		struct dat_choice *cpus = mem_calloc(choices->nr_cpus, sizeof(*cpus));

		if (!cpus)
			return -ENOMEM;
		choices->cpus[choices->nr_buffers] = cpus;
	}
	return 0;
}

static int choose(void *arg, const struct report_item *item)
{
	const struct split_choices *choices = arg;

	return dat_choice_add(&choices->cpus[item->source->buffer][item->rec->cpu], item->number);
}

int split_choose(struct split_choices *choices, struct report_session *s, struct err *err)
{
	int r;

	if (!selects(&s->args))
		return 0;
	if (make_choices(choices, s->inputs[0]->dat) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	r = report_session_start(s, err);
	if (r == 0)
		r = report_session_report(s, err);
	return r == 0 ? report_scan(s->report, choose, choices, err) : r;
}

void split_choose_done(struct split_choices *choices)
{
	for (size_t i = 0; i < choices->nr_buffers; i++) {
		for (uint32_t cpu = 0; cpu < choices->nr_cpus; cpu++)
			dat_choice_done(&choices->cpus[i][cpu]);
		mem_free(choices->cpus[i]);
	}
	mem_free(choices->cpus);
}
