/* SPDX-License-Identifier: MIT */
/* %p and its kin: symbols, MAC and IP addresses, UUIDs, bytes. */
#include <string.h>

#include "base/mem.h"
#include "event/program.h"

enum {
	FAMILY_INET = 2,
	FAMILY_INET6 = 10,
	SOCKADDR_IN_BYTES = 16,
	SOCKADDR_IN6_BYTES = 28
};

void symbol_print(const struct rec *rec, uint64_t addr, bool offset, struct out *out)
{
	const struct symbol *symbol = symbols_find(rec->db->symbols, addr);

	if (!symbol) {
		out_0x(out, addr);
		return;
	}
	out_mem(out, symbol->name, symbol->name_len);
	if (offset) {
		out_lit(out, "+0x");
		out_hex(out, addr - symbol->addr);
	}
}

/* The bytes of an address, or NULL when the record ends before them. */
static const uint8_t *address(const struct rec *rec, const struct op *op, uint32_t *ret_len)
{
	uint32_t offset = op->offset, len = op->size;

	if (op->field)
		rec_dynamic(rec, op->field, &offset, &len);
	if (offset > rec->len || len > rec->len - offset)
		return NULL;
	*ret_len = len;
	return rec->data + offset;
}

static void print_mac(const struct op *op, const uint8_t *bytes, struct out *out)
{
	char delim = op->variant == 'm' ? '\0' : op->variant_2 == 'F' ? '-' : ':';

	for (int i = 0; i < 6; i++) {
		if (i && delim)
			out_char(out, delim);
		out_hex_byte(out, bytes[op->variant_2 == 'R' ? 5 - i : i]);
	}
}

static void print_ipv4(const struct op *op, const uint8_t *bytes, struct out *out)
{
	for (int i = 0; i < 4; i++) {
		uint8_t byte = bytes[op->reverse ? 3 - i : i];

		if (i)
			out_char(out, '.');
		out_u64_pad(out, byte, op->variant == 'i' ? 3 : 1, '0');
	}
}

static unsigned int group(const uint8_t *bytes, int i)
{
	return (unsigned int)bytes[i * 2] << 8 | bytes[i * 2 + 1];
}

/* Does the address end in an IPv4 address: mapped (::ffff:a.b.c.d), or an ISATAP interface. */
static bool ends_in_ipv4(const uint8_t *bytes)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(bytes, mapped, 12) ||
	       ((bytes[8] | 2) == 2 && !bytes[9] && bytes[10] == 0x5e && bytes[11] == 0xfe);
}

/* The longest run of zero groups, at least two; its start, or -1. */
static int longest_zeros(const uint8_t *bytes, int nr, int *ret_len)
{
	int best = -1, best_len = 1;

	for (int i = 0; i < nr; i++) {
		int len = 0;

		while (i + len < nr && !group(bytes, i + len))
			len++;
		if (len > best_len) {
			best = i;
			best_len = len;
		}
	}
	*ret_len = best_len;
	return best;
}

static void print_ipv6_compressed(const uint8_t *bytes, struct out *out)
{
	static const struct op plain = {.variant = 'I'};
	bool ipv4 = ends_in_ipv4(bytes), colon = false;
	int nr = ipv4 ? 6 : 8, zeros_len, zeros = longest_zeros(bytes, nr, &zeros_len);

	for (int i = 0; i < nr; i++) {
		if (i == zeros) {
			if (colon || i == 0)
				out_char(out, ':');
			out_char(out, ':');
			colon = false;
			i += zeros_len - 1;
			continue;
		}
		if (colon)
			out_char(out, ':');
		out_hex(out, group(bytes, i));
		colon = true;
	}
	if (ipv4) {
		if (colon)
			out_char(out, ':');
		print_ipv4(&plain, bytes + 12, out);
	}
}

static void print_ipv6(const struct op *op, const uint8_t *bytes, struct out *out)
{
	if (op->compressed) {
		print_ipv6_compressed(bytes, out);
		return;
	}
	for (int i = 0; i < 8; i++) {
		if (i && op->variant == 'I')
			out_char(out, ':');
		out_hex_pad(out, group(bytes, i), 4, '0');
	}
}

static void print_sockaddr(const struct op *op, const uint8_t *bytes, uint32_t len, struct out *out)
{
	unsigned int family, port;

	if (len < 4)
		return;
	family = load_u16(bytes, HOST_BIG);
	port = load_u16(bytes + 2, true);
	if (family == FAMILY_INET) {
		if (len < SOCKADDR_IN_BYTES) {
			out_lit(out, "INVALIDIPv4");
			return;
		}
		print_ipv4(op, bytes + 4, out);
		if (op->port) {
			out_char(out, ':');
			out_u64(out, port);
		}
	} else if (family == FAMILY_INET6) {
		if (len < SOCKADDR_IN6_BYTES) {
			out_lit(out, "INVALIDIPv6");
			return;
		}
		if (op->port)
			out_char(out, '[');
		print_ipv6(op, bytes + 8, out);
		if (op->port) {
			out_lit(out, "]:");
			out_u64(out, port);
		}
	}
}

static void print_uuid(const struct op *op, const uint8_t *bytes, struct out *out)
{
	static const uint8_t little[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
	bool swap = op->variant_2 == 'L' || op->variant_2 == 'l';
	bool upper = op->variant_2 == 'L' || op->variant_2 == 'B';
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";

	for (int i = 0; i < 16; i++) {
		uint8_t byte = bytes[swap ? little[i] : i];

		if (i == 4 || i == 6 || i == 8 || i == 10)
			out_char(out, '-');
		out_char(out, digits[byte >> 4]);
		out_char(out, digits[byte & 15]);
	}
}

static void print_buffer(const struct rec *rec, const struct op *op, const uint8_t *bytes,
			 uint32_t len, struct out *out)
{
	char delim = op->variant_2 == 'C' ? ':' : op->variant_2 == 'D' ? '-' : ' ';
	int64_t want = 1;

	if (op->star)
		want = (int32_t)num_eval(op->star, rec);
	else if (op->spec.width && !op->field)
		want = op->spec.width;
	for (int64_t i = 0; i < MIN(want, (int64_t)len); i++) {
		if (i && op->variant_2 != 'N')
			out_char(out, delim);
		out_hex_byte(out, bytes[i]);
	}
}

void pointer_print(const struct rec *rec, const struct op *op, struct out *out)
{
	static const uint8_t zeros[16];
	uint32_t len = 0;
	const uint8_t *bytes = address(rec, op, &len);

	if (op->code == OP_SOCKADDR || op->code == OP_BYTES) {
		if (!bytes)
			return;
	} else if (!bytes || (op->code == OP_MAC    ? len < 6
			      : op->code == OP_IPV4 ? len < 4
						    : len < 16)) {
		bytes = zeros; /* the record is too short */
	}
	switch (op->code) {
	case OP_MAC:
		print_mac(op, bytes, out);
		break;
	case OP_IPV4:
		print_ipv4(op, bytes, out);
		break;
	case OP_IPV6:
		print_ipv6(op, bytes, out);
		break;
	case OP_SOCKADDR:
		print_sockaddr(op, bytes, len, out);
		break;
	case OP_UUID:
		print_uuid(op, bytes, out);
		break;
	case OP_BYTES:
		print_buffer(rec, op, bytes, len, out);
		break;
	default:
		break;
	}
}
