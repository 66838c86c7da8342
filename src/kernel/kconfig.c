/* SPDX-License-Identifier: MIT */
#include "kernel/kconfig.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <zlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/out.h"

#define PACKED_BYTES (1u << 20)
#define TEXT_BYTES   (8u << 20)

/* A gzip file in memory as a new string; NULL when it is damaged, too long or memory is short. */
static char *expand(const char *packed, size_t len)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)packed, .avail_in = (uInt)len};
	uint32_t size = 0; /* gzip ends with it */
	char *text;
	int r;

	for (unsigned int i = 0; len >= 4 && i < 4; i++)
		size |= (uint32_t)(uint8_t)packed[len - 4 + i] << 8 * i;
	text = size <= TEXT_BYTES ? mem_alloc(size + 1) : NULL;
	if (!text || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) {
		mem_free(text);
		return NULL;
	}
	z.next_out = (Bytef *)text;
	z.avail_out = size;
	r = inflate(&z, Z_FINISH);
	text[size - z.avail_out] = '\0';
	inflateEnd(&z);
	if (r != Z_STREAM_END) {
		mem_free(text);
		return NULL;
	}
	return text;
}

static int load_from(struct kconfig *config, const char *root, const char *dir, const char *release)
{
	_cleanup_out_ struct out path = {0};
	_cleanup_free_ char *text = NULL;
	size_t len, name_len = strlen(dir);
	int r;

	out_printf(&path, "%s%s", root, dir);
	if (dir[name_len - 1] == '-')
		out_str(&path, release);
	else if (dir[name_len - 1] == '/')
		out_printf(&path, "%s/config", release);
	if (path.failed)
		return -ENOMEM;
	r = io_read_file(out_cstr(&path), TEXT_BYTES, &text, &len);
	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT;
	if (len > 2 && text[0] == '\x1f') {
		char *plain = len <= PACKED_BYTES ? expand(text, len) : NULL;

		if (!plain)
			return -ENOENT;
		mem_free(text);
		text = plain;
	}
	config->path = mem_strdup(out_cstr(&path) + strlen(root));
	if (!config->path)
		return -ENOMEM;
	config->text = steal(&text);
	return 0;
}

int kconfig_load(struct kconfig *config, const char *root)
{
	static const char *const places[] = {"/proc/config.gz", "/boot/config-", "/lib/modules/"};
	struct utsname uts;

	*config = (struct kconfig){0};
	if (uname(&uts) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int r = load_from(config, root, places[i], uts.release);

		if (r != -ENOENT)
			return r;
	}
	return 0;
}

void kconfig_done(struct kconfig *config)
{
	mem_free(config->text);
	mem_free(config->path);
	*config = (struct kconfig){0};
}

enum kconfig_value kconfig_get(const struct kconfig *config, const char *option)
{
	size_t len = strlen(option);

	if (!config->text)
		return KCONFIG_UNKNOWN;
	for (const char *p = strstr(config->text, option); p; p = strstr(p + len, option)) {
		bool is_first = p == config->text || p[-1] == '\n';

		if (is_first && p[len] == '=')
			return p[len + 1] == 'm' ? KCONFIG_MODULE : KCONFIG_ON;
		if (p >= config->text + 2 && !strncmp(p - 2, "# ", 2) &&
		    !strncmp(p + len, " is not set", 11))
			return KCONFIG_OFF;
	}
	return KCONFIG_ABSENT;
}
