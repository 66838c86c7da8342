/* SPDX-License-Identifier: MIT */
/*
 * BTF, the kernel's description of its own types: function prototypes by name. Format:
 * Documentation/bpf/btf.rst of the kernel.
 */
#ifndef SONDE_SYMBOL_BTF_H
#define SONDE_SYMBOL_BTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/out.h"

struct btf;

/* The running kernel's. -ENOENT, explained, when it was built without CONFIG_DEBUG_INFO_BTF. */
int btf_open(struct btf **ret_btf, struct err *err) _must_check_;
/* From memory, which is copied. -EBADMSG when it is no BTF. */
int btf_parse(struct btf **ret_btf, const void *data, size_t len, struct err *err) _must_check_;
void btf_free(struct btf *btf); /* NULL is legal */

/* How many functions it describes, and the name of the i-th, in order of name. */
size_t btf_nr_functions(const struct btf *btf);
const char *btf_function_name(const struct btf *btf, size_t i);

/* Append "ssize_t vfs_read(struct file *file, ...)"; false, and nothing, when it is not there. */
bool btf_prototype(const struct btf *btf, const char *function, struct out *out);

#endif
