/* SPDX-License-Identifier: MIT */
/*
 * The symbol table. A kallsyms text of 7 MB is copied once and cut into names in place; addresses
 * are sorted by radix, for which the order of equal addresses is defined (see below); a table of
 * buckets over the address range leaves a handful of steps for a lookup, and a small cache per
 * thread answers the usual case, the same functions again and again, in one probe.
 *
 * Which name wins for an address that several symbols share is the kernel's choice, the first in
 * kallsyms; or trace-cmd's, so that reports agree: the table holds equal addresses in reverse order
 * of adding; an address inside a function gets the last of them, the exact address gets the one
 * that a plain bisection meets first.
 */
#include "symbol/symbols.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/mem.h"

enum {
	CACHE_SLOTS = 1024,
	FEW = 4096, /* symbols */
	MIN_BUCKETS = 64
};

struct symbols {
	struct symbol *table; /* in order of adding; after sealing in order of address */
	size_t nr, cap;
	char **texts; /* owned kallsyms texts, names point into them */
	size_t nr_texts, cap_texts;
	struct arena names;
	uint64_t *addrs;   /* of table, dense for the search */
	uint32_t *buckets; /* first index whose address is in or behind the bucket */
	size_t nr_buckets;
	unsigned int shift;
	uint32_t serial; /* tells tables apart in the cache */
	bool as_trace_cmd;
	bool sealed;
};

struct cache_slot {
	uint64_t addr;
	uint32_t serial; /* 0: empty */
	uint32_t index;	 /* UINT32_MAX: no symbol */
};

static _Thread_local struct cache_slot cache[CACHE_SLOTS];
static atomic_uint next_serial = 1;

int symbols_new(struct symbols **ret_symbols)
{
	struct symbols *symbols = mem_zalloc(sizeof(*symbols));

	if (!symbols)
		return -ENOMEM;
	*ret_symbols = symbols;
	return 0;
}

void symbols_free(struct symbols *symbols)
{
	if (!symbols)
		return;
	for (size_t i = 0; i < symbols->nr_texts; i++)
		mem_free(symbols->texts[i]);
	mem_free(symbols->texts);
	mem_free(symbols->table);
	mem_free(symbols->addrs);
	mem_free(symbols->buckets);
	arena_done(&symbols->names);
	mem_free(symbols);
}

static int add(struct symbols *symbols, const struct symbol *symbol)
{
	if (symbols->nr >= LIMIT_SYMBOLS)
		return -EFBIG;
	if (array_reserve(&symbols->table, &symbols->cap, symbols->nr + 1, sizeof(*symbol)))
		return -ENOMEM;
	symbols->table[symbols->nr++] = *symbol;
	return 0;
}

int symbols_add(struct symbols *symbols, uint64_t addr, const char *name, const char *module)
{
	struct symbol symbol = {.addr = addr};
	size_t len = strlen(name);

	if (len > LIMIT_STRING_BYTES)
		return -EFBIG;
	symbol.name = arena_strndup(&symbols->names, name, len);
	if (!symbol.name)
		return -ENOMEM;
	if (module) {
		symbol.module = arena_strdup(&symbols->names, module);
		if (!symbol.module)
			return -ENOMEM;
	}
	symbol.name_len = (uint32_t)len;
	return add(symbols, &symbol);
}

static const uint8_t hex_digit[256] = {
	['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
	['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static char *skip_blanks(char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

/* `ADDR TYPE NAME[\t[MODULE]]`, cut in place; false when the line is not one to keep. */
static bool parse_line(char *p, char *end, struct symbol *ret_symbol)
{
	uint64_t addr = 0;
	char *name, *start = p;
	char type;

	while (p < end && p - start < 16 && hex_digit[(uint8_t)*p])
		addr = addr << 4 | (hex_digit[(uint8_t)*p++] - 1u);
	if (p == start)
		return false;
	p = skip_blanks(p, end);
	if (p == end)
		return false;
	type = *p++;
	name = p = skip_blanks(p, end);
	while (p < end && !is_blank(*p))
		p++;
	/*
	 * '$' starts the mapping symbols of arm, and absolute symbols are offsets of per-CPU
	 * variables, not addresses.
	 */
	if (p == name || *name == '$' || type == 'A' || type == 'a')
		return false;
	*ret_symbol = (struct symbol){.addr = addr, .name = name};
	ret_symbol->name_len = (uint32_t)(p - name);
	if (p + 2 < end && p[0] == '\t' && p[1] == '[') {
		char *module = p + 2;
		char *close = memchr(module, ']', (size_t)(end - module));

		if (close) {
			*close = '\0';
			ret_symbol->module = module;
		}
	}
	*p = '\0'; /* the line's newline, or the NUL behind the text, is there */
	return true;
}

int symbols_add_kallsyms(struct symbols *symbols, const char *text, size_t len)
{
	char *copy, *p, *end;
	int r;

	if (len > LIMIT_SECTION_BYTES)
		return -EFBIG;
	if (array_reserve(&symbols->texts, &symbols->cap_texts, symbols->nr_texts + 1,
			  sizeof(*symbols->texts)))
		return -ENOMEM;
	copy = mem_strndup(text, len);
	if (!copy)
		return -ENOMEM;
	symbols->texts[symbols->nr_texts++] = copy;
	for (p = copy, end = copy + len; p < end;) {
		struct symbol symbol;
		char *eol = memchr(p, '\n', (size_t)(end - p));

		if (!eol)
			eol = end;
		if (parse_line(p, eol, &symbol)) {
			r = add(symbols, &symbol);
			if (r)
				return r;
		}
		p = eol + 1;
	}
	return 0;
}

struct sort_key {
	uint64_t addr;
	uint32_t index;
};

/*
 * Stable, by 16 bits at a time, or 8 when there are few; a digit that is the same everywhere costs
 * only its count.
 */
static int radix_sort(struct sort_key **keys, struct sort_key **spare, size_t nr)
{
	unsigned int bits = nr < FEW ? 8 : 16;
	size_t radix = (size_t)1 << bits, mask = radix - 1;
	_cleanup_free_ uint32_t *count = mem_calloc(radix, sizeof(*count));

	if (!count)
		return -ENOMEM;
	for (unsigned int shift = 0; shift < 64; shift += bits) {
		struct sort_key *from = *keys, *to = *spare;
		uint32_t sum = 0;

		memset(count, 0, radix * sizeof(*count));
		for (size_t i = 0; i < nr; i++)
			count[(from[i].addr >> shift) & mask]++;
		if (count[(from[0].addr >> shift) & mask] == nr)
			continue;
		for (size_t i = 0; i < radix; i++) {
			uint32_t here = count[i];

			count[i] = sum;
			sum += here;
		}
		for (size_t i = 0; i < nr; i++)
			to[count[(from[i].addr >> shift) & mask]++] = from[i];
		*keys = to;
		*spare = from;
	}
	return 0;
}

static int sort_table(struct symbols *symbols)
{
	size_t nr = symbols->nr;
	_cleanup_free_ struct sort_key *keys = mem_calloc(nr, sizeof(*keys));
	_cleanup_free_ struct sort_key *spare = mem_calloc(nr, sizeof(*spare));
	_cleanup_free_ struct symbol *table = mem_calloc(nr, sizeof(*table));
	struct symbol *old = symbols->table;

	if (!keys || !spare || !table)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		size_t from = nr - 1 - i;

		keys[i] = (struct sort_key){old[from].addr, (uint32_t)from};
	}
	if (radix_sort(&keys, &spare, nr))
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		table[i] = old[keys[i].index];
	symbols->table = steal(&table);
	symbols->cap = nr;
	mem_free(old);
	return 0;
}

static int build_buckets(struct symbols *symbols)
{
	uint64_t first = symbols->table[0].addr;
	uint64_t span = symbols->table[symbols->nr - 1].addr - first;
	size_t want = MIN_BUCKETS, next = 0;

	while (want < symbols->nr * 2)
		want *= 2;
	while (symbols->shift < 63 && span >> symbols->shift >= want)
		symbols->shift++;
	symbols->nr_buckets = (size_t)(span >> symbols->shift) + 1;
	symbols->buckets = mem_calloc(symbols->nr_buckets + 1, sizeof(*symbols->buckets));
	symbols->addrs = mem_calloc(symbols->nr, sizeof(*symbols->addrs));
	if (!symbols->buckets || !symbols->addrs)
		return -ENOMEM;
	for (size_t i = 0; i < symbols->nr; i++) {
		uint64_t addr = symbols->table[i].addr;

		symbols->addrs[i] = addr;
		while (next <= (addr - first) >> symbols->shift)
			symbols->buckets[next++] = (uint32_t)i;
	}
	symbols->buckets[symbols->nr_buckets] = (uint32_t)symbols->nr;
	return 0;
}

void symbols_as_trace_cmd(struct symbols *symbols)
{
	symbols->as_trace_cmd = true;
}

int symbols_seal(struct symbols *symbols)
{
	int r;

	if (symbols->sealed)
		return 0;
	if (symbols->nr) {
		r = sort_table(symbols);
		if (!r)
			r = build_buckets(symbols);
		if (r)
			return r;
	}
	symbols->serial = atomic_fetch_add_explicit(&next_serial, 1, memory_order_relaxed);
	symbols->sealed = true;
	return 0;
}

/* Which of the symbols at exactly `addr` a bisection over the whole table meets first. */
static size_t bisect_exact(const struct symbols *symbols, uint64_t addr)
{
	size_t low = 0, high = symbols->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (symbols->addrs[mid] == addr)
			return mid;
		if (symbols->addrs[mid] < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static uint32_t search(const struct symbols *symbols, uint64_t addr)
{
	const uint64_t *addrs = symbols->addrs;
	size_t nr = symbols->nr, bucket, low, high;

	if (!nr || addr < addrs[0] || addr > addrs[nr - 1])
		return UINT32_MAX;
	bucket = (size_t)((addr - addrs[0]) >> symbols->shift);
	low = symbols->buckets[bucket];
	high = symbols->buckets[bucket + 1];
	while (low < high) { /* the first behind addr */
		size_t mid = low + (high - low) / 2;

		if (addrs[mid] <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	low--; /* there is one before: addr is not before the first */
	if (symbols->as_trace_cmd && addrs[low] == addr && low > 0 && addrs[low - 1] == addr)
		low = bisect_exact(symbols, addr);
	return (uint32_t)low;
}

const struct symbol *symbols_find(const struct symbols *symbols, uint64_t addr)
{
	struct cache_slot *slot;

	slot = &cache[(addr * 0x9e3779b97f4a7c15ull) >> 54];
	if (__builtin_expect(slot->addr != addr || slot->serial != symbols->serial, 0)) {
		if (!symbols->sealed)
			return NULL;
		*slot = (struct cache_slot){addr, symbols->serial, search(symbols, addr)};
	}
	return slot->index == UINT32_MAX ? NULL : &symbols->table[slot->index];
}

size_t symbols_count(const struct symbols *symbols)
{
	return symbols->nr;
}

const struct symbol *symbols_at(const struct symbols *symbols, size_t index)
{
	return &symbols->table[index];
}
