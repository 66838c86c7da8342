/* SPDX-License-Identifier: MIT */
/*
 * The dynamic loader: symbols of it, and the function it calls when its list of modules has
 * changed. glibc's or musl's.
 */
#include <elf.h>
#include <link.h>
#include <sys/mman.h>

#include "runtime/runtime.h"
#include "runtime/sys.h"

extern const char *gnu_get_libc_version(void) __attribute__((weak));
extern struct r_debug _r_debug __attribute__((weak, visibility("default")));

extern char **__environ __attribute__((weak, visibility("default")));

static const struct r_debug *state;

bool rt_loader_is_glibc(void)
{
	return gnu_get_libc_version && &_r_debug;
}

const struct r_debug *rt_loader_state(void)
{
	return state;
}

char **rt_loader_environment(void)
{
	return &__environ ? __environ : NULL;
}

/* --- symbols --- */

static uint64_t dynamic_value(const ElfW(Dyn) * dynamic, int64_t tag)
{
	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		if (dynamic->d_tag == tag)
			return dynamic->d_un.d_val;
	}
	return 0;
}

uint64_t rt_loader_auxiliary(char **environment, uint64_t type)
{
	const Elf64_auxv_t *at;

	while (*environment)
		environment++;
	for (at = (const void *)(environment + 1); at->a_type != AT_NULL; at++) {
		if (at->a_type == type)
			return at->a_un.a_val;
	}
	return 0;
}

/* Every loader tells debuggers by the program's own dynamic section where its list is. */
static const struct r_debug *state_of_program(char **environment)
{
	uint64_t at = rt_loader_auxiliary(environment, AT_PHDR), nr, bias = 0, dynamic = 0;
	const ElfW(Phdr) *segments = (const void *)at;

	nr = at ? rt_loader_auxiliary(environment, AT_PHNUM) : 0;
	for (uint64_t i = 0; i < nr; i++) {
		if (segments[i].p_type == PT_PHDR)
			bias = at - segments[i].p_vaddr;
		if (segments[i].p_type == PT_DYNAMIC)
			dynamic = segments[i].p_vaddr;
	}
	return dynamic ? (const void *)dynamic_value((const void *)(bias + dynamic), DT_DEBUG)
		       : NULL;
}

bool rt_loader_find(char **environment)
{
	state = rt_loader_is_glibc() ? &_r_debug : state_of_program(environment);
	return state && state->r_map;
}

/* As many symbols as DT_GNU_HASH knows, which are all that are exported. */
static uint32_t count_symbols(const uint32_t *hash)
{
	uint32_t nr_buckets = hash[0], first = hash[1], last = 0;
	const uint32_t *buckets = hash + 4 + (size_t)hash[2] * 2, *chain = buckets + nr_buckets;

	for (uint32_t i = 0; i < nr_buckets; i++)
		last = buckets[i] > last ? buckets[i] : last;
	if (last < first)
		return 0;
	while (!(chain[last - first] & 1))
		last++;
	return last + 1;
}

/* Addresses in a dynamic section are relocated, or (the loader's own) as they are linked. */
static uint64_t relocated(uint64_t address, uint64_t base)
{
	return address < base ? address + base : address;
}

static uint64_t symbol_of(const struct link_map *map, const char *name)
{
	uint64_t base = map->l_addr, hash = dynamic_value(map->l_ld, DT_GNU_HASH);
	const ElfW(Sym) *symbols =
		(const void *)relocated(dynamic_value(map->l_ld, DT_SYMTAB), base);
	const char *names = (const void *)relocated(dynamic_value(map->l_ld, DT_STRTAB), base);
	uint32_t nr;

	if (!hash || !symbols || !names)
		return 0;
	nr = count_symbols((const void *)relocated(hash, base));
	for (uint32_t i = 0; i < nr; i++) {
		if (symbols[i].st_shndx != SHN_UNDEF && !strcmp(names + symbols[i].st_name, name))
			return base + symbols[i].st_value;
	}
	return 0;
}

static const char *last_part(const char *path)
{
	const char *last = path + strlen(path);

	while (last > path && last[-1] != '/')
		last--;
	return last;
}

bool rt_loader_is_valgrinds(void)
{
	static const char name[] = "vgpreload_";

	for (const struct link_map *map = state->r_map; map; map = map->l_next) {
		const char *last = last_part(map->l_name);

		if (strlen(last) > sizeof(name) && !memcmp(last, name, sizeof(name) - 1))
			return true;
	}
	return false;
}

bool rt_loader_module_has(uint64_t address, const char *name)
{
	const struct link_map *of = NULL;

	for (const struct link_map *map = state ? state->r_map : NULL; map; map = map->l_next) {
		if (map->l_addr <= address && (!of || map->l_addr > of->l_addr))
			of = map;
	}
	return of && symbol_of(of, name);
}

/* In the C library or the loader itself: other modules have no business with such names. */
uint64_t rt_loader_symbol(const char *name)
{
	for (const struct link_map *map = state->r_map; map; map = map->l_next) {
		const char *last = last_part(map->l_name);

		if ((map->l_addr == state->r_ldbase || !memcmp(last, "libc.so", 7)) &&
		    symbol_of(map, name))
			return symbol_of(map, name);
	}
	return 0;
}

/* --- changing code --- */

bool rt_loader_jump(uint8_t *ret_jump, uint8_t opcode, uint64_t at, uint64_t to)
{
	int64_t distance = (int64_t)(to - (at + RT_JUMP_BYTES));
	int32_t relative = (int32_t)distance;

	ret_jump[0] = opcode;
	memcpy(ret_jump + 1, &relative, sizeof(relative));
	return relative == distance;
}

/*
 * The pages get a copy that is changed. No code is writable and executable at once: the copy is
 * made beside, then moved over the pages.
 */
bool rt_loader_patch(uint64_t at, const uint8_t *code, size_t len)
{
	const uint64_t page = PROGRAM_PAGE_BYTES, low = at & -page;
	uint64_t bytes = ((at + len + page - 1) & -page) - low;
	uint8_t *copy = (uint8_t *)sys_mmap(0, bytes, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (sys_failed((long)copy))
		return false;
	memcpy(copy, (const void *)low, bytes);
	memcpy(copy + (at - low), code, len);
	if (sys_3(SYS_mprotect, (long)copy, (long)bytes, PROT_READ | PROT_EXEC) == 0 &&
	    !sys_failed(raw_syscall(SYS_mremap, (long)copy, (long)bytes, (long)bytes,
				    MREMAP_MAYMOVE | MREMAP_FIXED, (long)low, 0)))
		return true;
	sys_3(SYS_munmap, (long)copy, (long)bytes, 0);
	return false;
}

/* --- dlopen --- */

/* A function of nothing but a return, with room behind it up to the next one. */
static bool is_empty_function(const uint8_t *code)
{
	static const uint8_t landing[] = {0xf3, 0x0f, 0x1e, 0xfa};

	if (!memcmp(code, landing, sizeof(landing)))
		return code[4] == 0xc3;
	return code[0] == 0xc3 && ((code[1] == 0x66 && code[2] == 0x66) || code[1] == 0x90 ||
				   code[1] == 0x0f || code[1] == 0xcc);
}

static void hook_notification(void)
{
	uint64_t at = state->r_brk;
	uint8_t jump[RT_JUMP_BYTES];

	if (at && is_empty_function((const uint8_t *)at) &&
	    rt_loader_jump(jump, 0xe9, at, (uint64_t)rt_debug_state))
		(void)rt_loader_patch(at, jump, sizeof(jump));
}

void rt_loader_init(void)
{
	hook_notification();
}
