/* SPDX-License-Identifier: MIT */
/* Somebody looks at a recording while it is made. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "record/program_side.h"

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct keys {
	struct record_hist_key *list;
	size_t nr, cap;
};

static int add_key(void *ctx, const struct program_hist_counted *counted)
{
	struct keys *keys = ctx;

	if (array_reserve(&keys->list, &keys->cap, keys->nr + 1, sizeof(*keys->list)) < 0)
		return -ENOMEM;
	record_hist_key_from(&keys->list[keys->nr++], counted, counted->hist);
	return 0;
}

/* Programs go on counting: a hit may be there, and its value not yet. */
static int call(const struct record_look *look, const struct program_side *side)
{
	struct keys keys = {NULL, 0, 0};
	int r = 0;

	if (side && side->session->plan->program.hists.nr)
		r = program_watcher_counted(side->watcher, add_key, &keys);
	if (r == 0)
		look->look(look->ctx, keys.list, keys.nr);
	mem_free(keys.list);
	return r;
}

int session_look(struct session *session, const struct program_side *side, struct err *err)
{
	const struct record_look *look = session->plan->look;
	uint64_t begin = now_ms();
	int r;

	if (!look)
		return 0;
	if (!session->look_at)
		session->look_at = begin + look->every_ms;
	if (begin < session->look_at || (side && !side->kept->store.clock_stored))
		return 0;
	r = call(look, side);
	/* Who needs long is asked less often. */
	session->look_at = now_ms() + MAX(look->every_ms, 2 * (now_ms() - begin));
	return r < 0 ? err_sys(err, r, "cannot look at the recording") : 0;
}
