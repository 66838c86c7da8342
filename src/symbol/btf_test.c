/* SPDX-License-Identifier: MIT */
/* Prototypes from a made-up BTF, in both byte orders, and from this kernel's. */
#include "base/test.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "symbol/btf.h"

enum {
	INT = 1,
	PTR = 2,
	ARRAY = 3,
	STRUCT = 4,
	TYPEDEF = 8,
	CONST = 10,
	FUNC = 12,
	PROTO = 13
};

struct maker {
	char types[1024], strings[512], file[2048];
	size_t types_len, strings_len, file_len;
	bool big;
};

static void put32(struct maker *m, uint32_t v)
{
	store_u32(m->types + m->types_len, v, m->big);
	m->types_len += 4;
}

static uint32_t string(struct maker *m, const char *text)
{
	size_t at = m->strings_len;

	strcpy(m->strings + at, text);
	m->strings_len += strlen(text) + 1;
	return (uint32_t)at;
}

static void type(struct maker *m, const char *name, uint32_t kind, uint32_t vlen, uint32_t ref)
{
	put32(m, *name ? string(m, name) : 0);
	put32(m, kind << 24 | vlen);
	put32(m, ref);
}

static void argument(struct maker *m, const char *name, uint32_t ref)
{
	put32(m, *name ? string(m, name) : 0);
	put32(m, ref);
}

static void finish(struct maker *m)
{
	char *p = m->file;

	store_u16(p, 0xeb9f, m->big);
	p[2] = 1;
	p[3] = 0;
	store_u32(p + 4, 24, m->big);
	store_u32(p + 8, 0, m->big);
	store_u32(p + 12, (uint32_t)m->types_len, m->big);
	store_u32(p + 16, (uint32_t)m->types_len, m->big);
	store_u32(p + 20, (uint32_t)m->strings_len, m->big);
	memcpy(p + 24, m->types, m->types_len);
	memcpy(p + 24 + m->types_len, m->strings, m->strings_len);
	m->file_len = 24 + m->types_len + m->strings_len;
}

static void make(struct maker *m, bool big)
{
	*m = (struct maker){.big = big};
	string(m, "");
	type(m, "int", INT, 0, 4); /* 1 */
	put32(m, 32);
	type(m, "file", STRUCT, 0, 0); /* 2 */
	type(m, "", PTR, 0, 2);	       /* 3: struct file * */
	type(m, "char", INT, 0, 1);    /* 4 */
	put32(m, 8);
	type(m, "", CONST, 0, 4);	   /* 5: const char */
	type(m, "", PTR, 0, 5);		   /* 6: const char * */
	type(m, "ssize_t", TYPEDEF, 0, 1); /* 7 */
	type(m, "", PROTO, 1, 1);	   /* 8: int (const char *) */
	argument(m, "", 6);
	type(m, "", PTR, 0, 8);	  /* 9 */
	type(m, "", PROTO, 4, 7); /* 10 */
	argument(m, "file", 3);
	argument(m, "text", 6);
	argument(m, "call", 9);
	argument(m, "", 0);
	type(m, "vfs_like", FUNC, 0, 10); /* 11 */
	type(m, "", PROTO, 0, 3);	  /* 12 */
	type(m, "get_file", FUNC, 0, 12); /* 13 */
	type(m, "", CONST, 0, 3);	  /* 14: struct file * const */
	type(m, "", ARRAY, 0, 0);	  /* 15: int [7] */
	put32(m, 1);
	put32(m, 1);
	put32(m, 7);
	type(m, "", PROTO, 3, 0); /* 16 */
	argument(m, "fixed", 14);
	argument(m, "list", 15);
	argument(m, "lost", 99);
	type(m, "void_like", FUNC, 0, 16); /* 17 */
	type(m, "", PTR, 0, 18);	   /* 18: points to itself */
	type(m, "", PROTO, 1, 0);	   /* 19 */
	argument(m, "loop", 18);
	type(m, "endless", FUNC, 0, 19); /* 20 */
	type(m, "no_proto", FUNC, 0, 1); /* 21 */
	finish(m);
}

static const char *prototype(const struct btf *btf, const char *name, struct out *out)
{
	out_clear(out);
	return btf_prototype(btf, name, out) ? out_cstr(out) : "(none)";
}

TEST(prototypes)
{
	for (int big = 0; big < 2; big++) {
		_cleanup_out_ struct out out = {0};
		struct err err = {0};
		struct maker m;
		struct btf *btf;

		make(&m, big);
		CHECK_EQ(btf_parse(&btf, m.file, m.file_len, &err), 0);
		CHECK_EQ(btf_nr_functions(btf), 5);
		CHECK_STR(btf_function_name(btf, 1), "get_file");
		CHECK_STR(prototype(btf, "vfs_like", &out),
			  "ssize_t vfs_like(struct file *file, const char *text, "
			  "int (*call)(const char *), ...)");
		CHECK_STR(prototype(btf, "get_file", &out), "struct file *get_file(void)");
		CHECK_STR(prototype(btf, "void_like", &out),
			  "void void_like(struct file * const fixed, int list[7], ? lost)");
		CHECK(strstr(prototype(btf, "endless", &out), "?"));
		CHECK_STR(prototype(btf, "no_proto", &out), "(none)");
		CHECK_STR(prototype(btf, "nothing", &out), "(none)");
		btf_free(btf);
	}
}

/* Every cut and every changed byte: an error or a BTF that can be printed. */
TEST(damage)
{
	_cleanup_out_ struct out out = {0};
	struct err err;
	struct maker m;
	struct btf *btf;

	make(&m, false);
	for (size_t len = 0; len < m.file_len; len++) {
		char *cut = mem_dup(m.file, len ? len : 1);

		CHECK(cut);
		CHECK_EQ(btf_parse(&btf, cut, len, &err), -EBADMSG);
		mem_free(cut);
	}
	for (size_t i = 0; i < m.file_len * 8; i++) {
		m.file[i / 8] = (char)(m.file[i / 8] ^ 1 << i % 8);
		if (btf_parse(&btf, m.file, m.file_len, &err) == 0) {
			for (size_t f = 0; f < btf_nr_functions(btf); f++)
				prototype(btf, btf_function_name(btf, f), &out);
			btf_free(btf);
		}
		m.file[i / 8] = (char)(m.file[i / 8] ^ 1 << i % 8);
	}
}

TEST(of_this_kernel)
{
	_cleanup_out_ struct out out = {0};
	struct err err;
	struct btf *btf;

	if (btf_open(&btf, &err) < 0)
		SKIP("this kernel's types cannot be read");
	CHECK(btf_nr_functions(btf) > 1000);
	CHECK_STR(prototype(btf, "vfs_read", &out),
		  "ssize_t vfs_read(struct file *file, char *buf, size_t count, loff_t *pos)");
	for (size_t i = 0; i < btf_nr_functions(btf); i++)
		CHECK(!strchr(prototype(btf, btf_function_name(btf, i), &out), '?'));
	btf_free(btf);
}

TEST_MAIN()
