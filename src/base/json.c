/* SPDX-License-Identifier: MIT */
#include "base/out.h"

/* Length of a valid UTF-8 sequence at p, 0 when there is none. */
static unsigned int utf8_len(const unsigned char *p, size_t left)
{
	unsigned int len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (len == 1)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4 || len > left)
		return 0;
	for (unsigned int i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

void out_json(struct out *out, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;

	out_char(out, '"');
	while (p < end) {
		unsigned int n;

		if (*p == '"' || *p == '\\') {
			out_char(out, '\\');
			out_char(out, (char)*p++);
		} else if (*p == '\n') {
			out_lit(out, "\\n");
			p++;
		} else if (*p < 0x20 || *p == 0x7f) {
			out_lit(out, "\\u00");
			out_hex_pad(out, *p++, 2, '0');
		} else if ((n = utf8_len(p, (size_t)(end - p)))) {
			out_mem(out, p, n);
			p += n;
		} else {
			out_lit(out, "\\ufffd");
			p++;
		}
	}
	out_char(out, '"');
}
