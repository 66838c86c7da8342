/* SPDX-License-Identifier: MIT */
/*
 * Unaligned loads and stores in either byte order. `big` says the order of the bytes in memory;
 * where it is a compile-time constant the branch disappears.
 */
#ifndef SONDE_BASE_BYTES_H
#define SONDE_BASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define HOST_BIG true
#else
#define HOST_BIG false
#endif

static inline uint16_t load_u16(const void *p, bool big)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return big == HOST_BIG ? v : __builtin_bswap16(v);
}

static inline uint32_t load_u32(const void *p, bool big)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return big == HOST_BIG ? v : __builtin_bswap32(v);
}

static inline uint64_t load_u64(const void *p, bool big)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return big == HOST_BIG ? v : __builtin_bswap64(v);
}

static inline void store_u16(void *p, uint16_t v, bool big)
{
	if (big != HOST_BIG)
		v = __builtin_bswap16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void store_u32(void *p, uint32_t v, bool big)
{
	if (big != HOST_BIG)
		v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void store_u64(void *p, uint64_t v, bool big)
{
	if (big != HOST_BIG)
		v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}

/* An unsigned integer of 1, 2, 4 or 8 bytes; any other size reads as 0. */
static inline uint64_t load_uint(const void *p, unsigned int size, bool big)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)p;
	case 2:
		return load_u16(p, big);
	case 4:
		return load_u32(p, big);
	case 8:
		return load_u64(p, big);
	default:
		return 0;
	}
}

/* The same, sign-extended to 64 bits. */
static inline int64_t load_int(const void *p, unsigned int size, bool big)
{
	switch (size) {
	case 1:
		return *(const int8_t *)p;
	case 2:
		return (int16_t)load_u16(p, big);
	case 4:
		return (int32_t)load_u32(p, big);
	default:
		return (int64_t)load_uint(p, size, big);
	}
}

#endif
