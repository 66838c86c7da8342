/* SPDX-License-Identifier: MIT */
/*
 * Two bytes of code that may begin something. All code of all modules is looked through for them,
 * so it is done for 32 bytes at a time where the processor has AVX2: a byte's halves are each
 * looked up in a table of 16 entries, which says by a bit for each pair whether such a half may
 * stand there. What is left of the bits of all four halves are the pairs.
 */
#include "base/mem.h"
#include "program/internal.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

void plan_pairs_add(struct plan_pairs *pairs, unsigned int bit, const struct plan_pair *pair)
{
	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int half = 0; half < 16; half++) {
			if ((half & pair->mask[i]) == (pair->value[i] & 0x0f))
				pairs->low[i][half] |= (uint8_t)(1u << bit);
			if ((half << 4 & pair->mask[i]) == (pair->value[i] & 0xf0))
				pairs->high[i][half] |= (uint8_t)(1u << bit);
		}
	}
}

static unsigned int bits_of(const struct plan_pairs *pairs, unsigned int i, uint8_t byte)
{
	return pairs->low[i][byte & 15] & pairs->high[i][byte >> 4];
}

static size_t find_slowly(const uint8_t *code, size_t from, size_t bytes,
			  const struct plan_pairs *pairs, uint16_t *ret_places)
{
	size_t nr = 0;

	/* No branch depends on the bytes, which no processor foresees. */
	for (size_t i = from; i < bytes; i++) {
		ret_places[nr] = (uint16_t)i;
		nr += (bits_of(pairs, 0, code[i]) & bits_of(pairs, 1, code[i + 1])) != 0;
	}
	return nr;
}

#if defined(__x86_64__)
#define STEP_BYTES sizeof(__m256i)
#define AT_ONCE	   4u
#define _avx2_	   __attribute__((target("avx2,bmi,popcnt")))

_avx2_ static __m256i table(const uint8_t entries[16])
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)entries));
}

_avx2_ static __m256i bits_of_all(__m256i low, __m256i high, const uint8_t *code)
{
	const __m256i half = _mm256_set1_epi8(15);
	__m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)code);
	__m256i above = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half);

	return _mm256_and_si256(_mm256_shuffle_epi8(low, _mm256_and_si256(bytes, half)),
				_mm256_shuffle_epi8(high, above));
}

_avx2_ static size_t find_fast(const uint8_t *code, size_t bytes, const struct plan_pairs *pairs,
			       uint16_t *ret_places)
{
	const __m256i low = table(pairs->low[0]), high = table(pairs->high[0]);
	const __m256i next_low = table(pairs->low[1]), next_high = table(pairs->high[1]);
	size_t nr = 0, i = 0;

	for (; bytes - i >= STEP_BYTES; i += STEP_BYTES) {
		__m256i both = _mm256_and_si256(bits_of_all(low, high, code + i),
						bits_of_all(next_low, next_high, code + i + 1));
		__m256i none = _mm256_cmpeq_epi8(both, _mm256_setzero_si256());
		uint32_t found = ~(uint32_t)_mm256_movemask_epi8(none), left = found;
		size_t end = nr + (size_t)__builtin_popcount(found);

		/* Some at once, whether they are there or not; there seldom are more. */
		for (size_t k = 0; k < AT_ONCE; k++, left &= left - 1)
			ret_places[nr + k] = (uint16_t)(i + _tzcnt_u32(left));
		for (nr += AT_ONCE; nr < end; nr++, left &= left - 1)
			ret_places[nr] = (uint16_t)(i + _tzcnt_u32(left));
		nr = end;
	}
	return nr + find_slowly(code, i, bytes, pairs, ret_places + nr);
}
#endif

size_t plan_find_pairs(const uint8_t *code, size_t bytes, const struct plan_pairs *pairs,
		       uint16_t *ret_places)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	    __builtin_cpu_supports("popcnt"))
		return find_fast(code, bytes, pairs, ret_places);
#endif
	return find_slowly(code, 0, bytes, pairs, ret_places);
}
