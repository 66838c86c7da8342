/* SPDX-License-Identifier: MIT */
/*
 * Histograms (program/hists.h). Of events: a trigger counts one when it comes. Of calls: a call is
 * counted when it ends, with all functions that took its place by a jump. Runs in any thread and
 * signal handler; nothing here waits.
 */
#include "program/hists.h"

#include "ring/raw.h"
#include "runtime/moment.h"

#define TAIL_FREE  0u
#define TAIL_ENDED 1u
#define STACK_SPAN (1ull << 20) /* as readers have it */
#define NO_ELEMENT UINT32_MAX

/* --- the table --- */

static struct program_hist_element *element_at(const struct program_hists *hists,
					       const struct program_hist *hist, uint32_t element)
{
	return (struct program_hist_element *)((uintptr_t)hists + hist->elements_at) + element;
}

/* Room for one more key. */
static bool reserve(struct program_hist *hist)
{
	uint32_t used = __atomic_load_n(&hist->nr_used, __ATOMIC_RELAXED);

	while (!(used >> hist->bits)) {
		if (__atomic_compare_exchange_n(&hist->nr_used, &used, used + 1, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/*
 * Into a free place. 0: it is ours, with *element; else what somebody else has put there meanwhile.
 * *element stays ours for another place. NO_ELEMENT: there is no room.
 */
static uint64_t take_place(const struct program_hists *hists, struct program_hist *hist,
			   uint64_t *place, const uint64_t *keys, uint64_t tag, uint32_t *element)
{
	struct program_hist_element *at;
	uint64_t before = 0;

	if (!reserve(hist)) {
		*element = NO_ELEMENT;
		return 0;
	}
	if (*element == NO_ELEMENT)
		*element = __atomic_fetch_add(&hist->nr_taken, 1, __ATOMIC_RELAXED);
	if (*element >= program_hist_elements(hist->bits)) {
		*element = NO_ELEMENT;
		__atomic_fetch_sub(&hist->nr_taken, 1, __ATOMIC_RELAXED);
	} else {
		at = element_at(hists, hist, *element);
		for (uint32_t i = 0; i < PROGRAM_HIST_KEYS; i++)
			at->keys[i] = keys[i];
		/* Whoever finds the place finds the keys. */
		if (__atomic_compare_exchange_n(place, &before, tag | (*element + 1), false,
						__ATOMIC_RELEASE, __ATOMIC_ACQUIRE))
			return 0;
	}
	__atomic_fetch_sub(&hist->nr_used, 1, __ATOMIC_RELAXED);
	return before;
}

RT_INLINE bool has_keys(const struct program_hist_element *element, const uint64_t *keys,
			uint32_t nr_keys)
{
	for (uint32_t i = 0; i < nr_keys; i++) {
		if (element->keys[i] != keys[i])
			return false;
	}
	return true;
}

/* The element of these keys; NO_ELEMENT: it has found no room. */
RT_SELDOM uint32_t find(const struct program_hists *hists, struct program_hist *hist,
			const uint64_t *keys)
{
	uint64_t *places = (uint64_t *)((uintptr_t)hists + hist->places_at);
	uint64_t hash = program_hist_hash(keys, hist->nr_keys), tag = program_hist_tag(hash);
	uint32_t nr = program_hist_places(hist->bits), own = NO_ELEMENT;
	uint32_t at = program_hist_place(hash, hist->bits);

	for (uint32_t i = 0; i < PROGRAM_HIST_STEPS_MAX; i++, at = (at + 1) & (nr - 1)) {
		uint64_t place = __atomic_load_n(&places[at], __ATOMIC_ACQUIRE);
		uint32_t element;

		if (!place) {
			place = take_place(hists, hist, &places[at], keys, tag, &own);
			if (!place)
				return own;
		}
		element = (uint32_t)place - 1;
		if ((place ^ tag) >> 32 == 0 && element < program_hist_elements(hist->bits) &&
		    has_keys(element_at(hists, hist, element), keys, hist->nr_keys))
			return element;
	}
	return NO_ELEMENT;
}

/*
 * The same. A function's calls mostly have the keys of its last one: where that was found is known
 * before its duration is, so that the processor need not wait for the one to look for the other.
 */
RT_INLINE uint32_t find_again(const struct program_hists *hists, struct program_hist *hist,
			      const uint64_t *keys, uint32_t address)
{
	uint64_t tag = (uint64_t)(uintptr_t)hist << 32, *hint, known;
	uint32_t element;

	hint = &rt_thread.hints[(address * 0x9e3779b1u >> 25 ^ (uintptr_t)hist / sizeof(*hist)) %
				RT_HINTS];
	/* Once: a handler may come in between. */
	known = __atomic_load_n(hint, __ATOMIC_RELAXED) ^ tag;
	element = (uint32_t)known;
	if (known >> 32 == 0 && element < program_hist_elements(hist->bits) &&
	    has_keys(element_at(hists, hist, element), keys, hist->nr_keys))
		return element;
	element = find(hists, hist, keys);
	if (element != NO_ELEMENT)
		__atomic_store_n(hint, tag | element, __ATOMIC_RELAXED);
	return element;
}

/*
 * A restartable sequence (ring/writer_x86.h) whose last instruction adds to this CPU's sums, which
 * are CPU 0's + CPU * set_bytes. Goes on at `no` without that when there is no such CPU, or it was
 * interrupted. Written here because a call costs as much as the addition.
 */
#define ADD(addition)                                                                              \
	__asm__ goto(".pushsection .data.rel.ro.ring, \"aw\"\n"                                    \
		     ".balign 32\n"                                                                \
		     ".Lhist_cs_%=: .long 0, 0\n"                                                  \
		     ".quad .Lhist_begin_%=, .Lhist_end_%= - .Lhist_begin_%=, .Lhist_abort_%=\n"   \
		     ".popsection\n"                                                               \
		     "leaq .Lhist_cs_%=(%%rip), %%rax\n"                                           \
		     "movq %%rax, %c[cs](%[rseq])\n"                                               \
		     ".Lhist_begin_%=:\n"                                                          \
		     "movl %c[cpu](%[rseq]), %%eax\n"                                              \
		     "cmpl %[nr_sets], %%eax\n"                                                    \
		     "jae %l[no]\n"                                                                \
		     "imulq %[set_bytes], %%rax\n" addition "\n"                                   \
		     ".Lhist_end_%=:\n"                                                            \
		     "jmp .Lhist_added_%=\n"                                                       \
		     ".byte 0x0f, 0xb9, 0x3d\n"                                                    \
		     ".long %c[sig]\n"                                                             \
		     ".Lhist_abort_%=:\n"                                                          \
		     "jmp %l[no]\n"                                                                \
		     ".Lhist_added_%=:\n"                                                          \
		     :                                                                             \
		     : [rseq] "r"(rseq), [sums] "r"(sums), [value] "r"(value),                     \
		       [set_bytes] "r"(set_bytes), [nr_sets] "r"(nr_sets), [cs] "i"(RING_RSEQ_CS), \
		       [cpu] "i"(RING_RSEQ_CPU_ID), [sig] "i"(RING_RSEQ_SIG)                       \
		     : "rax", "cc", "memory"                                                       \
		     : no)

RT_INLINE bool add_hit(void *rseq, struct program_hist_sums *sums, uint64_t value,
		       uint64_t set_bytes, uint32_t nr_sets)
{
	ADD("incq (%[sums],%%rax)");
	return true;
no:
	return false;
}

RT_INLINE bool add_value(void *rseq, struct program_hist_sums *sums, uint64_t value,
			 uint64_t set_bytes, uint32_t nr_sets)
{
	ADD("addq %[value], 8(%[sums],%%rax)");
	return true;
no:
	return false;
}

/* What cannot be added to this CPU's sums goes to those that are nobody's. */
RT_INLINE void add(const struct program_hists *hists, const struct program_hist *hist,
		   uint32_t element, const struct rt_moment *moment, uint64_t value)
{
	struct program_hist_sums *sums =
		(struct program_hist_sums *)((uintptr_t)hists + hist->sums_at) + element;
	uint64_t nr = program_hist_elements(hist->bits), set_bytes = nr * sizeof(*sums);
	uint32_t nr_sets = hists->nr_sets;
	void *rseq = moment->ring->rseq;

	if (!rseq || !add_hit(rseq, sums, value, set_bytes, nr_sets))
		__atomic_fetch_add(&sums[nr_sets * nr].hits, 1, __ATOMIC_RELAXED);
	if (!rseq || !add_value(rseq, sums, value, set_bytes, nr_sets))
		__atomic_fetch_add(&sums[nr_sets * nr].value, value, __ATOMIC_RELAXED);
}

RT_INLINE void count(const struct program_hists *hists, struct program_hist *hist,
		     const struct rt_moment *moment, uint64_t value)
{
	uint64_t keys[PROGRAM_HIST_KEYS] = {0};
	uint32_t element;

	for (uint32_t i = 0; i < hist->nr_keys && i < PROGRAM_HIST_KEYS; i++)
		keys[i] = program_hist_unit(&hist->keys[i],
					    rt_moment_value(moment, hist->keys[i].source));
	element = find_again(hists, hist, keys, moment->address);
	if (element == NO_ELEMENT)
		__atomic_fetch_add(&hist->dropped, 1, __ATOMIC_RELAXED);
	else
		add(hists, hist, element, moment, value);
}

/* --- calls --- */

RT_INLINE void count_call(struct rt_thread *thread, uint64_t sp, uint32_t address, uint64_t begin,
			  uint64_t end)
{
	struct program_hists *hists = rt_hists();
	struct rt_moment moment;

	if (begin < thread->since || end < begin || !ring_is_tracing(rt_session))
		return;
	rt_moment_init(&moment, &thread->ring, sp, address, RING_EVENT_EXIT);
	moment.duration = rt_ns(end - begin);
	if (rt_watching->asks_functions)
		moment.names = program_watch_bits(rt_watching, address);
	for (uint32_t i = 0; i < hists->nr && i < PROGRAM_HISTS_MAX; i++) {
		struct program_hist *hist = &hists->list[i];

		if (hist->condition == PROGRAM_WATCH_YES ||
		    rt_moment_holds(rt_watching, &moment, hist->condition))
			count(hists, hist, &moment, moment.duration);
	}
}

/* --- triggers --- */

void rt_hist_event(const struct rt_moment *moment, uint32_t index)
{
	struct program_hists *hists =
		(struct program_hists *)((uintptr_t)rt_watching + rt_watching->event_hists_at);
	struct program_hist *hist = &hists->list[index % PROGRAM_HISTS_MAX];

	/* As in the kernel, which counts while it is paused. */
	if (rt_watching->event_hists_at && !ring_is_off(rt_session))
		count(hists, hist, moment, rt_moment_value(moment, hist->value));
}

/* --- the ends of calls --- */

/* Those on top that have ended are free again. */
static void trim(struct rt_thread *thread)
{
	while (thread->nr_tails && thread->tails[thread->nr_tails - 1].sp == TAIL_ENDED) {
		thread->tails[thread->nr_tails - 1].sp = TAIL_FREE;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		thread->nr_tails--;
	}
}

/*
 * Those at the place of the call that ends have ended with it, unless they began before it: then a
 * longjmp has left them, as it has those below.
 */
RT_SELDOM void end_tails(struct rt_thread *thread, uint64_t sp, uint64_t begin, uint64_t end)
{
	uint32_t nr = thread->nr_tails;

	for (uint32_t i = 0; i < nr && i < RT_TAILS_MAX; i++) {
		struct rt_tail *tail = &thread->tails[i];

		if (tail->sp <= TAIL_ENDED || sp - tail->sp >= STACK_SPAN)
			continue;
		if (tail->sp == sp && tail->begin >= begin)
			count_call(thread, sp, tail->address, tail->begin, end);
		tail->sp = TAIL_ENDED;
	}
	trim(thread);
}

void rt_hist_ends(uint64_t sp, uint32_t address)
{
	struct rt_thread *thread = &rt_thread;
	uint64_t end = raw_counter();
	uint64_t begin = *rt_noted(sp);

	if (thread->nr_tails)
		end_tails(thread, sp, begin, end);
	count_call(thread, sp, address, begin, end);
}

/* What a longjmp has left below `sp` makes room. */
static void sweep(struct rt_thread *thread, uint64_t sp)
{
	for (uint32_t i = 0; i < RT_TAILS_MAX; i++) {
		struct rt_tail *tail = &thread->tails[i];

		if (tail->sp > TAIL_ENDED && sp - tail->sp - 1 < STACK_SPAN)
			tail->sp = TAIL_ENDED;
	}
	trim(thread);
}

/* A handler that comes in between finds a place that is not free, and nobody's. */
void rt_hist_tail(uint64_t sp, uint32_t address)
{
	struct rt_thread *thread = &rt_thread;
	struct program_hists *hists = rt_hists();
	uint32_t at = thread->nr_tails;

	if (at >= RT_TAILS_MAX) {
		sweep(thread, sp);
		at = thread->nr_tails;
	}
	if (at >= RT_TAILS_MAX) { /* nobody will know when it ends */
		for (uint32_t i = 0; i < hists->nr && i < PROGRAM_HISTS_MAX; i++)
			__atomic_fetch_add(&hists->list[i].dropped, 1, __ATOMIC_RELAXED);
		return;
	}
	thread->nr_tails = at + 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->tails[at].address = address;
	thread->tails[at].begin = raw_counter();
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->tails[at].sp = sp;
}

void rt_hist_thread(struct rt_thread *thread)
{
	thread->since = raw_counter();
	for (uint32_t i = 0; i < RT_TAILS_MAX; i++)
		thread->tails[i].sp = TAIL_FREE;
	thread->nr_tails = 0;
}
