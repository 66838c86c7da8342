/* SPDX-License-Identifier: MIT */
#include "record/triggers.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/mem.h"
#include "kernel/triggers.h"
#include "record/rawread.h"
#include "ring/subbuf.h"

#define BUFFER_KB	64
#define PAGES_PER_ROUND 64 /* of one CPU, before the others get their turn */
#define PAUSE_NS	1000000
#define NS_PER_S	1000000000ull
#define NS_PER_MS	1000000ull
#define NO_EVENT	SIZE_MAX

struct trigger {
	struct trigger_rule rule;
	const char *text;
	bool *hits;    /* by event: on which it acts */
	size_t event;  /* which it switches, NO_EVENT: none */
	size_t target; /* index of the instance it acts on */
	struct kernel_instance kernel;
	bool open;
	int *fds; /* by CPU; -1: it has no buffer */
};

struct trigger_target {
	struct kernel_instance *inst;
	struct trigger_state state;
};

struct hit {
	uint64_t ts;
	size_t trigger;
};

struct triggers {
	struct triggers_options options;
	struct trigger *list;
	size_t nr, cap;
	struct trigger_target *targets;
	size_t nr_targets, cap_targets;
	struct pollfd *polled; /* the stop first */
	nfds_t nr_polled;
	struct hit *hits;
	size_t nr_hits, cap_hits;
	uint8_t *page;
	uint64_t snapshot_at; /* ns of CLOCK_MONOTONIC; 0: none is due */
	pthread_t thread;
	pid_t tid;
	sem_t ready, go;
	int stop_fd;
	bool running, started;
	struct err err; /* the thread's first */
};

/* --- adding --- */

static int target_index(struct triggers *triggers, struct kernel_instance *inst, size_t *ret_index)
{
	struct trigger_target target = {.inst = inst, .state = {.on = true}};
	int r;

	for (size_t i = 0; i < triggers->nr_targets; i++) {
		if (triggers->targets[i].inst == inst) {
			*ret_index = i;
			return 0;
		}
	}
	r = array_reserve(&triggers->targets, &triggers->cap_targets, triggers->nr_targets + 1,
			  sizeof(target));
	if (r < 0)
		return r;
	*ret_index = triggers->nr_targets;
	triggers->targets[triggers->nr_targets++] = target;
	return 0;
}

static int find_event(const struct kernel_events *events, struct trigger *trigger, struct err *err)
{
	const struct trigger_rule *rule = &trigger->rule;

	trigger->event = NO_EVENT;
	if (rule->action != TRIGGER_ENABLE && rule->action != TRIGGER_DISABLE)
		return 0;
	for (size_t i = 0; i < events->nr; i++) {
		if (!strcmp(events->list[i].system, rule->system) &&
		    !strcmp(events->list[i].name, rule->event))
			trigger->event = i;
	}
	if (trigger->event != NO_EVENT)
		return 0;
	return err_set(err, -ENOENT, "the trigger '%.100s' names no event of this kernel",
		       trigger->text);
}

static struct triggers *make(struct triggers **triggers)
{
	if (*triggers)
		return *triggers;
	*triggers = mem_zalloc(sizeof(**triggers));
	if (*triggers) {
		(*triggers)->stop_fd = -1;
		sem_init(&(*triggers)->ready, 0, 0);
		sem_init(&(*triggers)->go, 0, 0);
	}
	return *triggers;
}

int triggers_can_stand_in(const char *text, struct err *err)
{
	struct trigger_rule rule;
	int r = trigger_rule_parse(&rule, text, NULL);

	if (r == 0 && rule.action == TRIGGER_STACKTRACE)
		return err_set(
			err, -ENOTSUP,
			"this kernel lacks the trigger stacktrace, and sonde cannot stand in "
			"for it: a stack is there only at the moment of the event; -T "
			"records one with every event");
	if (r < 0 || rule.action <= TRIGGER_SNAPSHOT || rule.action == TRIGGER_ENABLE ||
	    rule.action == TRIGGER_DISABLE)
		return 0;
	return err_set(err, -ENOTSUP,
		       "this kernel lacks the trigger '%.60s', and sonde stands in only for "
		       "traceon, traceoff, snapshot, enable_event and disable_event",
		       text);
}

int triggers_add(struct triggers **triggers, const struct kernel_events *events,
		 struct kernel_instance *inst, const bool *hits, const char *text, struct err *err)
{
	struct trigger trigger = {.text = text};
	struct triggers *to;
	int r = triggers_can_stand_in(text, err);

	if (r == 0)
		r = trigger_rule_parse(&trigger.rule, text, err);
	if (r == 0)
		r = find_event(events, &trigger, err);
	if (r < 0)
		return r;
	to = make(triggers);
	r = to ? array_reserve(&to->list, &to->cap, to->nr + 1, sizeof(trigger)) : -ENOMEM;
	if (r == 0)
		r = target_index(to, inst, &trigger.target);
	trigger.hits = r == 0 ? mem_dup(hits, events->nr * sizeof(*hits)) : NULL;
	if (!trigger.hits)
		return err_sys(err, -ENOMEM, "cannot set a trigger");
	to->list[to->nr++] = trigger;
	return 0;
}

size_t triggers_count(const struct triggers *triggers)
{
	return triggers ? triggers->nr : 0;
}

size_t triggers_event(const struct triggers *triggers, size_t index)
{
	return triggers->list[index].event;
}

const char *triggers_text(const struct triggers *triggers, size_t index)
{
	return triggers->list[index].text;
}

/* --- acting, in the thread --- */

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static int switch_tracing(struct triggers *triggers, const struct trigger *trigger, struct err *err)
{
	const struct kernel_instance *inst = triggers->targets[trigger->target].inst;
	struct kernel_target target = {.name = inst->name, .path = inst->path};

	return kernel_control_switch(&target, trigger->rule.action == TRIGGER_TRACEON, err);
}

static int switch_event(struct triggers *triggers, const struct trigger *trigger, struct err *err)
{
	const struct kernel_instance *inst = triggers->targets[trigger->target].inst;
	struct kernel_target target = {.name = inst->name, .path = inst->path};

	return kernel_event_switch(&target, &triggers->options.events->list[trigger->event],
				   trigger->rule.action == TRIGGER_ENABLE, err);
}

/*
 * What is recorded up to now is read by the draining threads within two intervals; only then is
 * the file copied. Hits in the meantime are in the same snapshot.
 */
static void plan_snapshot(struct triggers *triggers)
{
	if (!triggers->snapshot_at)
		triggers->snapshot_at = now_ns() + 2 * triggers->options.interval_ms * NS_PER_MS;
}

static int take_snapshot(struct triggers *triggers, struct err *err)
{
	triggers->snapshot_at = 0;
	return triggers->options.take_snapshot(triggers->options.ctx, err);
}

static void act(struct triggers *triggers, struct trigger *trigger)
{
	struct trigger_state *state = &triggers->targets[trigger->target].state;
	struct err err = {0};
	int r = 0;

	if (!trigger_rule_fires(&trigger->rule, state))
		return;
	switch (trigger->rule.action) {
	case TRIGGER_TRACEON:
	case TRIGGER_TRACEOFF:
		r = switch_tracing(triggers, trigger, &err);
		break;
	case TRIGGER_ENABLE:
	case TRIGGER_DISABLE:
		r = switch_event(triggers, trigger, &err);
		break;
	case TRIGGER_SNAPSHOT:
		plan_snapshot(triggers);
		break;
	case TRIGGER_STACKTRACE:
	case TRIGGER_HIST:
	case TRIGGER_ENABLE_HIST:
	case TRIGGER_DISABLE_HIST:
		break; /* triggers_add takes none of them */
	}
	if (r < 0 && !triggers->err.code)
		triggers->err = err;
}

static int add_hits(struct triggers *triggers, size_t index, uint32_t len)
{
	const struct kernel_instance *kernel = &triggers->list[index].kernel;
	struct subbuf_layout layout = {kernel->page_size, kernel->long_size, HOST_BIG};
	struct subbuf_cursor cursor;
	struct subbuf_record record;
	int r = 0;

	if (subbuf_open(&cursor, &layout, triggers->page, len) < 0)
		return 0;
	while (r == 0 && subbuf_next(&cursor, &record) > 0) {
		r = array_reserve(&triggers->hits, &triggers->cap_hits, triggers->nr_hits + 1,
				  sizeof(*triggers->hits));
		if (r == 0)
			triggers->hits[triggers->nr_hits++] = (struct hit){record.ts, index};
	}
	return r;
}

static int read_cpu(struct triggers *triggers, size_t index, uint32_t cpu)
{
	const struct trigger *trigger = &triggers->list[index];
	int r = 0;

	for (int i = 0; i < PAGES_PER_ROUND && r == 0 && trigger->fds[cpu] >= 0; i++) {
		ssize_t n = raw_read(trigger->fds[cpu], triggers->page, trigger->kernel.page_size);

		if (n <= 0)
			return n == -EAGAIN ? 0 : (int)n;
		r = add_hits(triggers, index, (uint32_t)n);
	}
	return r;
}

static int by_time(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;

	return x->ts < y->ts ? -1 : x->ts > y->ts;
}

/* All hits so far, in the order in which they happened. */
static int look(struct triggers *triggers)
{
	int r = 0;

	triggers->nr_hits = 0;
	for (size_t i = 0; i < triggers->nr && r == 0; i++) {
		for (uint32_t cpu = 0; cpu < triggers->options.fs->cpus && r == 0; cpu++)
			r = read_cpu(triggers, i, cpu);
	}
	if (triggers->nr_hits)
		qsort(triggers->hits, triggers->nr_hits, sizeof(*triggers->hits), by_time);
	for (size_t i = 0; i < triggers->nr_hits; i++)
		act(triggers, &triggers->list[triggers->hits[i].trigger]);
	return r;
}

static int wait_ms(const struct triggers *triggers)
{
	uint64_t now = now_ns();

	if (!triggers->snapshot_at)
		return -1;
	return now >= triggers->snapshot_at
		       ? 0
		       : (int)((triggers->snapshot_at - now + NS_PER_MS - 1) / NS_PER_MS);
}

/* An event that hits all the time shall not take a whole CPU. */
static void pause_between(const struct triggers *triggers)
{
	struct pollfd fd = {.fd = triggers->stop_fd, .events = POLLIN};
	struct timespec time = {.tv_nsec = PAUSE_NS};

	if (ppoll(&fd, 1, &time, NULL) < 0)
		return; /* a shorter one */
}

static int run(struct triggers *triggers, struct err *err)
{
	bool over = false;

	while (!over) {
		int r = poll(triggers->polled, triggers->nr_polled, wait_ms(triggers));

		if (r < 0 && errno != EINTR)
			return err_sys(err, -errno, "cannot wait for the events of triggers");
		over = triggers->polled[0].revents;
		r = look(triggers);
		if (r < 0)
			return err_sys(err, r, "cannot read the events of triggers");
		/* What is due after the end is waited for: the threads that drain still do. */
		if (over && triggers->snapshot_at && poll(NULL, 0, wait_ms(triggers)) < 0)
			over = true;
		if (triggers->snapshot_at && now_ns() >= triggers->snapshot_at)
			r = take_snapshot(triggers, err);
		if (r < 0)
			return r;
		if (!over)
			pause_between(triggers);
	}
	return 0;
}

static void *thread_main(void *arg)
{
	struct triggers *triggers = arg;
	struct err err = {0};

	triggers->tid = gettid();
	prctl(PR_SET_NAME, "sonde-trigger", 0, 0, 0);
	sem_post(&triggers->ready); /* the opener sees tid behind it */
	while (sem_wait(&triggers->go) < 0 && errno == EINTR)
		;
	if (triggers->started && run(triggers, &err) < 0 && !triggers->err.code)
		triggers->err = err;
	return NULL;
}

/* --- opening and closing --- */

static int open_one(struct triggers *triggers, struct trigger *trigger, const pid_t *pids,
		    size_t nr, struct err *err)
{
	const struct triggers_options *options = &triggers->options;
	struct kernel_instance *kernel = &trigger->kernel;
	struct err ignored;
	size_t without = 0;
	int r = kernel_instance_create(kernel, options->fs, options->journal, err);

	trigger->open = r == 0;
	trigger->fds = mem_calloc(options->fs->cpus, sizeof(*trigger->fds));
	for (uint32_t cpu = 0; trigger->fds && cpu < options->fs->cpus; cpu++)
		trigger->fds[cpu] = -1;
	if (r == 0 && !trigger->fds)
		r = err_sys(err, -ENOMEM, "cannot set a trigger");
	if (r == 0)
		r = kernel_instance_buffer(kernel, BUFFER_KB, err);
	if (r < 0)
		return r;
	/* Without these it is only later, out of order, or our own doing hits too. */
	if (kernel_instance_write(kernel, "buffer_percent", "0", "watch a trigger", &ignored) < 0 ||
	    kernel_instance_clock(kernel, "mono", &ignored) < 0 ||
	    (!options->no_filter &&
	     kernel_instance_pids(kernel, "set_event_notrace_pid", pids, nr, &ignored) < 0))
		ignored.code = 0;
	if (trigger->rule.filter)
		r = kernel_instance_filter(kernel, options->events, trigger->hits,
					   trigger->rule.filter, &without, err);
	if (r == 0)
		r = kernel_instance_enable(kernel, options->events, trigger->hits, true, err);
	for (uint32_t cpu = 0; cpu < options->fs->cpus && r == 0; cpu++) {
		r = kernel_instance_open_raw(kernel, cpu, &trigger->fds[cpu], err);
		if (r < 0)
			trigger->fds[cpu] = -1;
		r = r == -ENOENT ? 0 : r;
	}
	return r;
}

static int list_fds(struct triggers *triggers, struct err *err)
{
	uint32_t nr_cpus = triggers->options.fs->cpus, size = 0;

	triggers->polled = mem_calloc(1 + triggers->nr * nr_cpus, sizeof(*triggers->polled));
	for (size_t i = 0; i < triggers->nr; i++)
		size = MAX(size, triggers->list[i].kernel.page_size);
	triggers->page = mem_alloc(size);
	if (!triggers->polled || !triggers->page)
		return err_sys(err, -ENOMEM, "cannot watch triggers");
	triggers->polled[triggers->nr_polled++] =
		(struct pollfd){.fd = triggers->stop_fd, .events = POLLIN};
	for (size_t i = 0; i < triggers->nr; i++) {
		for (uint32_t cpu = 0; cpu < nr_cpus; cpu++)
			triggers->polled[triggers->nr_polled++] =
				(struct pollfd){.fd = triggers->list[i].fds[cpu], .events = POLLIN};
	}
	return 0;
}

static int start_thread(struct triggers *triggers, struct err *err)
{
	int r;

	triggers->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (triggers->stop_fd < 0)
		return err_sys(err, -errno, "cannot watch triggers");
	r = -pthread_create(&triggers->thread, NULL, thread_main, triggers);
	if (r < 0)
		return err_sys(err, r, "cannot start a thread");
	triggers->running = true;
	while (sem_wait(&triggers->ready) < 0 && errno == EINTR)
		;
	return 0;
}

int triggers_open(struct triggers *triggers, const struct triggers_options *options,
		  const pid_t *pids, size_t nr, struct err *err)
{
	_cleanup_free_ pid_t *own = mem_calloc(nr + 1, sizeof(*own));
	int r = own ? 0 : err_sys(err, -ENOMEM, "cannot watch triggers");

	triggers->options = *options;
	if (r == 0)
		r = start_thread(triggers, err);
	if (r < 0)
		return r;
	memcpy(own, pids, nr * sizeof(*pids));
	own[nr] = triggers->tid;
	/* What instances are given back must not be between those of the triggers. */
	for (size_t i = 0; i < triggers->nr && r == 0; i++) {
		const struct trigger *trigger = &triggers->list[i];

		if (trigger->event != NO_EVENT)
			r = kernel_event_borrow(triggers->targets[trigger->target].inst,
						&options->events->list[trigger->event], err);
	}
	for (size_t i = 0; i < triggers->nr && r == 0; i++)
		r = open_one(triggers, &triggers->list[i], own, nr + 1, err);
	return r < 0 ? r : list_fds(triggers, err);
}

pid_t triggers_tid(const struct triggers *triggers)
{
	return triggers ? triggers->tid : 0;
}

int triggers_start(struct triggers *triggers, struct err *err)
{
	int r = 0;

	if (!triggers)
		return 0;
	for (size_t i = 0; i < triggers->nr && r == 0; i++)
		r = kernel_instance_start(&triggers->list[i].kernel, err);
	triggers->started = r == 0; /* the thread sees it behind `go` */
	if (r == 0)
		sem_post(&triggers->go);
	return r;
}

int triggers_stop(struct triggers *triggers, struct err *err)
{
	uint64_t one = 1;
	ssize_t n;

	if (!triggers || !triggers->running)
		return 0;
	n = write(triggers->stop_fd, &one, sizeof(one));
	(void)n; /* only fails when it is raised already */
	if (!triggers->started)
		sem_post(&triggers->go);
	pthread_join(triggers->thread, NULL);
	triggers->running = false;
	if (triggers->err.code)
		*err = triggers->err;
	return triggers->err.code;
}

static int close_one(struct trigger *trigger, uint32_t nr_cpus, struct err *err)
{
	for (uint32_t cpu = 0; trigger->fds && cpu < nr_cpus; cpu++)
		io_close(trigger->fds[cpu]);
	mem_free(trigger->fds);
	mem_free(trigger->hits);
	return trigger->open ? kernel_instance_close(&trigger->kernel, err) : 0;
}

int triggers_free(struct triggers *triggers, struct err *err)
{
	uint32_t nr_cpus;
	struct err other;
	int r = 0;

	if (!triggers)
		return 0;
	if (triggers_stop(triggers, &other) < 0)
		r = 0; /* whoever wanted to know has called it */
	nr_cpus = triggers->options.fs ? triggers->options.fs->cpus : 0;
	for (size_t i = triggers->nr; i-- > 0;) {
		int closed = close_one(&triggers->list[i], nr_cpus, r < 0 ? &other : err);

		r = r < 0 ? r : closed;
	}
	io_close(triggers->stop_fd);
	sem_destroy(&triggers->ready);
	sem_destroy(&triggers->go);
	mem_free(triggers->list);
	mem_free(triggers->targets);
	mem_free(triggers->polled);
	mem_free(triggers->hits);
	mem_free(triggers->page);
	mem_free(triggers);
	return r;
}
