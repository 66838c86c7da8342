/* SPDX-License-Identifier: MIT */
/* The input is a BTF; the prototypes of its first functions are written. */
#include "base/out.h"
#include "symbol/btf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_out_ struct out out = {0};
	struct err err = {0};
	struct btf *btf;

	if (btf_parse(&btf, data, size, &err) < 0)
		return 0;
	for (size_t i = 0; i < btf_nr_functions(btf) && i < 8; i++) {
		out_clear(&out);
		if (btf_prototype(btf, btf_function_name(btf, i), &out) && !out.len)
			__builtin_trap();
	}
	btf_free(btf);
	return 0;
}
