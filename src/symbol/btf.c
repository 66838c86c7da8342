/* SPDX-License-Identifier: MIT */
#include "symbol/btf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"

#define BTF_FILE	 "/sys/kernel/btf/vmlinux"
#define BTF_MAGIC	 0xeb9f
#define BTF_HEADER_BYTES 24u
#define BTF_TYPE_BYTES	 12u

enum kind {
	KIND_INT = 1,
	KIND_PTR,
	KIND_ARRAY,
	KIND_STRUCT,
	KIND_UNION,
	KIND_ENUM,
	KIND_FWD,
	KIND_TYPEDEF,
	KIND_VOLATILE,
	KIND_CONST,
	KIND_RESTRICT,
	KIND_FUNC,
	KIND_FUNC_PROTO,
	KIND_VAR,
	KIND_DATASEC,
	KIND_FLOAT,
	KIND_DECL_TAG,
	KIND_TYPE_TAG,
	KIND_ENUM64,
	NR_KINDS,
};

struct function {
	const char *name;
	uint32_t id;
};

struct btf {
	char *data; /* a copy, with a NUL behind it */
	size_t len;
	bool big;
	const char *strings;
	size_t strings_len;
	uint32_t *types; /* offset of each type in data; [0] is void */
	size_t nr_types, cap_types;
	struct function *functions; /* sorted by name */
	size_t nr_functions, cap_functions;
};

/* One type as it lies in the data. */
struct type {
	enum kind kind;
	uint32_t vlen;
	bool flag;
	const char *name; /* "" for none */
	uint32_t ref;	  /* the type it refers to, or its size */
	const char *more; /* what follows the fixed part */
};

static uint32_t word(const struct btf *btf, const char *p)
{
	return load_u32(p, btf->big);
}

static const char *string_at(const struct btf *btf, uint32_t offset)
{
	return offset < btf->strings_len ? btf->strings + offset : "";
}

/* Bytes behind the fixed part. */
static size_t more_bytes(enum kind kind, size_t vlen)
{
	switch (kind) {
	case KIND_INT:
	case KIND_VAR:
	case KIND_DECL_TAG:
		return 4;
	case KIND_ARRAY:
		return 12;
	case KIND_STRUCT:
	case KIND_UNION:
	case KIND_DATASEC:
	case KIND_ENUM64:
		return vlen * 12;
	case KIND_ENUM:
	case KIND_FUNC_PROTO:
		return vlen * 8;
	default:
		return 0;
	}
}

static struct type decode(const struct btf *btf, uint32_t offset)
{
	const char *p = btf->data + offset;
	uint32_t info = word(btf, p + 4);

	return (struct type){
		.kind = (enum kind)(info >> 24 & 0x1f),
		.vlen = info & 0xffff,
		.flag = info >> 31,
		.name = string_at(btf, word(btf, p)),
		.ref = word(btf, p + 8),
		.more = p + BTF_TYPE_BYTES,
	};
}

/* --- reading --- */

static int add_type(struct btf *btf, size_t offset)
{
	struct type type = decode(btf, (uint32_t)offset);
	int r = array_reserve(&btf->types, &btf->cap_types, btf->nr_types + 1, sizeof(*btf->types));

	if (r < 0)
		return r;
	btf->types[btf->nr_types] = (uint32_t)offset;
	if (type.kind == KIND_FUNC && type.name[0]) {
		r = array_reserve(&btf->functions, &btf->cap_functions, btf->nr_functions + 1,
				  sizeof(*btf->functions));
		if (r < 0)
			return r;
		btf->functions[btf->nr_functions++] =
			(struct function){type.name, (uint32_t)btf->nr_types};
	}
	btf->nr_types++;
	return 0;
}

static int compare_functions(const void *a, const void *b)
{
	const struct function *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (x->id > y->id) - (x->id < y->id);
}

static int read_types(struct btf *btf, size_t start, size_t end)
{
	int r = array_reserve(&btf->types, &btf->cap_types, 1, sizeof(*btf->types));

	if (r < 0)
		return r;
	btf->types[btf->nr_types++] = 0;
	for (size_t p = start; p < end;) {
		struct type type;
		size_t size;

		if (end - p < BTF_TYPE_BYTES)
			return -EBADMSG;
		type = decode(btf, (uint32_t)p);
		size = BTF_TYPE_BYTES + more_bytes(type.kind, type.vlen);
		if (!type.kind || type.kind >= NR_KINDS || end - p < size)
			return -EBADMSG;
		r = add_type(btf, p);
		if (r < 0)
			return r;
		p += size;
	}
	if (btf->nr_functions)
		qsort(btf->functions, btf->nr_functions, sizeof(*btf->functions),
		      compare_functions);
	return 0;
}

static int read_header(struct btf *btf)
{
	uint64_t header, types, types_len, strings, strings_len;

	if (btf->len < BTF_HEADER_BYTES)
		return -EBADMSG;
	btf->big = load_u16(btf->data, true) == BTF_MAGIC;
	if (!btf->big && load_u16(btf->data, false) != BTF_MAGIC)
		return -EBADMSG;
	header = word(btf, btf->data + 4);
	types = header + word(btf, btf->data + 8);
	types_len = word(btf, btf->data + 12);
	strings = header + word(btf, btf->data + 16);
	strings_len = word(btf, btf->data + 20);
	if (header < BTF_HEADER_BYTES || types + types_len > btf->len ||
	    strings + strings_len > btf->len)
		return -EBADMSG;
	btf->strings = btf->data + strings;
	btf->strings_len = strings_len;
	/* So that every string ends inside. */
	if (strings_len && btf->strings[strings_len - 1])
		return -EBADMSG;
	return read_types(btf, types, types + types_len);
}

int btf_parse(struct btf **ret_btf, const void *data, size_t len, struct err *err)
{
	struct btf *btf = mem_zalloc(sizeof(*btf));
	int r;

	if (btf)
		btf->data = mem_strndup(data, len);
	if (!btf || !btf->data) {
		btf_free(btf);
		return err_sys(err, -ENOMEM, "cannot read the kernel's types");
	}
	btf->len = len;
	r = len < UINT32_MAX ? read_header(btf) : -EBADMSG;
	if (r < 0) {
		btf_free(btf);
		return r == -EBADMSG ? err_set(err, r,
					       "the kernel's types are no BTF that is "
					       "understood here")
				     : err_sys(err, r, "cannot read the kernel's types");
	}
	*ret_btf = btf;
	return 0;
}

int btf_open(struct btf **ret_btf, struct err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r = io_read_file(BTF_FILE, LIMIT_SECTION_BYTES, &data, &len);

	if (r == -ENOENT)
		return err_set(err, r,
			       "the types of functions are not known: this kernel has no %s (it "
			       "needs CONFIG_DEBUG_INFO_BTF)",
			       BTF_FILE);
	if (r < 0)
		return err_sys(err, r, "cannot read the kernel's types: %s", BTF_FILE);
	return btf_parse(ret_btf, data, len, err);
}

void btf_free(struct btf *btf)
{
	if (!btf)
		return;
	mem_free(btf->data);
	mem_free(btf->types);
	mem_free(btf->functions);
	mem_free(btf);
}

size_t btf_nr_functions(const struct btf *btf)
{
	return btf->nr_functions;
}

const char *btf_function_name(const struct btf *btf, size_t i)
{
	return btf->functions[i].name;
}

/* --- writing C --- */

struct writer {
	const struct btf *btf;
	struct out *out;
	unsigned int depth;
	size_t limit; /* of the text */
};

static void declare(struct writer *w, uint32_t id, const char *name);

static bool get_type(const struct writer *w, uint32_t id, struct type *ret_type)
{
	if (!id || id >= w->btf->nr_types)
		return false;
	*ret_type = decode(w->btf, w->btf->types[id]);
	return true;
}

static void put_name(struct writer *w, const char *name)
{
	if (!name[0])
		return;
	if (w->out->len && w->out->buf[w->out->len - 1] != '*')
		out_char(w->out, ' ');
	out_str(w->out, name);
}

static void put_arguments(struct writer *w, const struct type *proto)
{
	out_char(w->out, '(');
	for (uint32_t i = 0; i < proto->vlen; i++) {
		const char *p = proto->more + (size_t)i * 8;
		uint32_t name = word(w->btf, p), type = word(w->btf, p + 4);

		if (i)
			out_lit(w->out, ", ");
		if (!type && i + 1 == proto->vlen)
			out_lit(w->out, "...");
		else
			declare(w, type, string_at(w->btf, name));
	}
	if (!proto->vlen)
		out_lit(w->out, "void");
	out_char(w->out, ')');
}

static void put_pointer(struct writer *w, const struct type *type, const char *name)
{
	struct type target;

	if (get_type(w, type->ref, &target) && target.kind == KIND_FUNC_PROTO) {
		declare(w, target.ref, "");
		out_lit(w->out, " (*");
		out_str(w->out, name);
		out_char(w->out, ')');
		put_arguments(w, &target);
		return;
	}
	declare(w, type->ref, "");
	if (w->out->len && w->out->buf[w->out->len - 1] != '*')
		out_char(w->out, ' ');
	out_char(w->out, '*');
	put_name(w, name);
}

/* "const char", but "char * const": after a pointer the word qualifies the pointer. */
static void put_qualified(struct writer *w, const struct type *type, const char *word_,
			  const char *name)
{
	struct type target;

	if (get_type(w, type->ref, &target) && target.kind == KIND_PTR) {
		declare(w, type->ref, "");
		out_char(w->out, ' ');
		out_str(w->out, word_);
	} else {
		out_str(w->out, word_);
		out_char(w->out, ' ');
		declare(w, type->ref, "");
	}
	put_name(w, name);
}

static void put_tagged(struct writer *w, const char *tag, const struct type *type, const char *name)
{
	out_str(w->out, tag);
	out_char(w->out, ' ');
	out_str(w->out, type->name[0] ? type->name : "{...}");
	put_name(w, name);
}

static void put_type(struct writer *w, const struct type *type, const char *name)
{
	switch (type->kind) {
	case KIND_PTR:
		put_pointer(w, type, name);
		return;
	case KIND_CONST:
		put_qualified(w, type, "const", name);
		return;
	case KIND_VOLATILE:
		put_qualified(w, type, "volatile", name);
		return;
	case KIND_RESTRICT:
		put_qualified(w, type, "restrict", name);
		return;
	case KIND_STRUCT:
		put_tagged(w, "struct", type, name);
		return;
	case KIND_UNION:
		put_tagged(w, "union", type, name);
		return;
	case KIND_FWD:
		put_tagged(w, type->flag ? "union" : "struct", type, name);
		return;
	case KIND_ENUM:
	case KIND_ENUM64:
		put_tagged(w, "enum", type, name);
		return;
	case KIND_TYPE_TAG: /* __user and the like: notes for checkers */
		declare(w, type->ref, name);
		return;
	case KIND_ARRAY:
		declare(w, word(w->btf, type->more), name);
		out_printf(w->out, "[%u]", word(w->btf, type->more + 8));
		return;
	case KIND_FUNC_PROTO:
		declare(w, type->ref, name);
		put_arguments(w, type);
		return;
	default:
		out_str(w->out, type->name);
		put_name(w, name);
	}
}

/* A declaration of `name` (or "") with that type. Bounded in depth and in length. */
static void declare(struct writer *w, uint32_t id, const char *name)
{
	struct type type;

	if (w->depth >= 32 || w->out->len > w->limit) {
		out_lit(w->out, "?");
		return;
	}
	w->depth++;
	if (get_type(w, id, &type)) {
		put_type(w, &type, name);
	} else {
		out_str(w->out, id ? "?" : "void");
		put_name(w, name);
	}
	w->depth--;
}

static int compare_name(const void *key, const void *element)
{
	return strcmp(key, ((const struct function *)element)->name);
}

bool btf_prototype(const struct btf *btf, const char *function, struct out *out)
{
	struct writer w = {.btf = btf, .out = out, .limit = out->len + LIMIT_PRINT_BYTES};
	const struct function *found;
	struct type type, proto;

	if (!btf->nr_functions)
		return false;
	found = bsearch(function, btf->functions, btf->nr_functions, sizeof(*found), compare_name);
	if (!found || !get_type(&w, found->id, &type) || !get_type(&w, type.ref, &proto) ||
	    proto.kind != KIND_FUNC_PROTO)
		return false;
	declare(&w, proto.ref, function);
	put_arguments(&w, &proto);
	return true;
}
