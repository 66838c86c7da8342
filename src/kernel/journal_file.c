/* SPDX-License-Identifier: MIT */
#include "kernel/journal_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/out.h"

#define JOURNAL_MAX   (64u << 20)
#define HEADER	      "sonde journal 1\n"
#define COMMAND_BYTES 200
#define DONE	      'x'

static int write_at(struct kernel_journal *journal, const void *data, size_t len)
{
	int r = io_pwrite_full(journal->fd, data, len, journal->end);

	if (r == 0)
		journal->end += len;
	return r;
}

/* The session's command line on one line, for whoever finds the journal. */
static int begin(struct kernel_journal *journal)
{
	_cleanup_free_ char *words = NULL;
	char line[sizeof(HEADER) + COMMAND_BYTES + 2];
	size_t len = 0;
	int n;

	if (io_read_file("/proc/self/cmdline", 1u << 20, &words, &len) < 0)
		len = 0;
	len = MIN(len ? len - 1 : 0, (size_t)COMMAND_BYTES);
	for (size_t i = 0; i < len; i++)
		words[i] = (unsigned char)words[i] < ' ' ? ' ' : words[i];
	journal->command = mem_strndup(len ? words : "", len);
	if (!journal->command)
		return -ENOMEM;
	n = snprintf(line, sizeof(line), HEADER "%s\n", journal->command);
	n = n > 0 ? write_at(journal, line, (size_t)n) : -EIO;
	journal->start = journal->end;
	return n;
}

/* Cut the file; when that fails, what is behind only repeats what is undone already. */
static void cut_file(struct kernel_journal *journal, uint64_t end)
{
	int r;

	do {
		r = io_ftruncate(journal->fd, end);
	} while (r == -EINTR);
	if (r == 0)
		journal->end = end;
}

static int add(struct kernel_journal *journal, const struct journal_entry *entry)
{
	int r = array_reserve(&journal->entries, &journal->cap, journal->nr + 1, sizeof(*entry));

	if (r == 0)
		journal->entries[journal->nr++] = *entry;
	return r;
}

/* The entry at *offset of text; false at the end, or where it is cut off. */
static bool parse_entry(const char *text, size_t len, size_t *offset, struct journal_entry *entry,
			bool *ret_done, int *ret_r)
{
	const char *at = text + *offset, *newline = memchr(at, '\n', len - *offset);
	size_t path_len, text_len, head, rest;
	char kind;

	if (!newline || sscanf(at, "%c %zu %zu", &kind, &path_len, &text_len) != 3)
		return false;
	head = (size_t)(newline - at) + 1;
	rest = len - *offset - head;
	if (((kind < '0' || kind > '0' + KERNEL_UNDO_PROBE) && kind != DONE) ||
	    path_len > JOURNAL_MAX || text_len > JOURNAL_MAX || path_len + text_len + 1 > rest ||
	    at[head + path_len + text_len] != '\n')
		return false;
	*entry = (struct journal_entry){
		.kind = (enum kernel_undo)(kind - '0'),
		.start = *offset,
		.path = mem_strndup(newline + 1, path_len),
		.text = mem_strndup(newline + 1 + path_len, text_len),
		.end = *offset + head + path_len + text_len + 1,
	};
	*offset = entry->end;
	*ret_done = kind == DONE;
	if (!entry->path || !entry->text)
		*ret_r = -ENOMEM;
	return true;
}

static int parse(struct kernel_journal *journal, const char *text, size_t len)
{
	size_t header = strlen(HEADER), offset;
	const char *newline;
	struct journal_entry entry;
	bool done;
	int r = 0;

	if (len < header || memcmp(text, HEADER, header) != 0)
		return -EBADMSG;
	newline = memchr(text + header, '\n', len - header);
	if (!newline)
		return -EBADMSG;
	journal->command = mem_strndup(text + header, (size_t)(newline - text) - header);
	if (!journal->command)
		return -ENOMEM;
	offset = (size_t)(newline - text) + 1;
	journal->start = offset;
	while (r == 0 && parse_entry(text, len, &offset, &entry, &done, &r)) {
		if (r == 0 && !done)
			r = add(journal, &entry);
		if (r < 0 || done) {
			mem_free(entry.path);
			mem_free(entry.text);
		}
	}
	journal->end = offset;
	return r;
}

int journal_file_load(struct kernel_journal *journal, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;
	ssize_t len;
	int r = io_fstat(journal->fd, &st);

	if (r == 0 && st.st_size > JOURNAL_MAX)
		r = -EFBIG;
	if (r < 0)
		return err_sys(err, r, "cannot read the journal %s", journal->path);
	text = mem_alloc((size_t)st.st_size + 1);
	if (!text)
		return err_sys(err, -ENOMEM, "cannot read the journal");
	len = io_pread_full(journal->fd, text, (size_t)st.st_size, 0);
	if (len < 0)
		return err_sys(err, (int)len, "cannot read the journal %s", journal->path);
	r = parse(journal, text, (size_t)len);
	/* New, or killed before its first lines were out: nothing had been changed. */
	if (r == -EBADMSG && (size_t)len < sizeof(HEADER) + COMMAND_BYTES) {
		cut_file(journal, 0);
		r = begin(journal);
	} else if (r == 0 && journal->end < (uint64_t)len) {
		cut_file(journal, journal->end);
	}
	if (r == -EBADMSG)
		return err_set(err, r, "%s is no journal of this sonde; remove it", journal->path);
	return r < 0 ? err_sys(err, r, "cannot begin the journal %s", journal->path) : 0;
}

int journal_file_append(struct kernel_journal *journal, const struct journal_entry *entry)
{
	struct journal_entry added = *entry;
	size_t path_len = strlen(entry->path), text_len = strlen(entry->text);
	_cleanup_out_ struct out out = {0};
	char head[64];
	int r;

	snprintf(head, sizeof(head), "%c %zu %zu\n", '0' + (int)entry->kind, path_len, text_len);
	out_str(&out, head);
	out_mem(&out, entry->path, path_len);
	out_mem(&out, entry->text, text_len);
	out_char(&out, '\n');
	if (out.failed)
		return -ENOMEM;
	r = array_reserve(&journal->entries, &journal->cap, journal->nr + 1, sizeof(added));
	added.start = journal->end;
	if (r == 0)
		r = write_at(journal, out.buf, out.len);
	added.end = journal->end;
	return r < 0 ? r : add(journal, &added);
}

void journal_file_remove(struct kernel_journal *journal, size_t i)
{
	uint64_t start = journal->entries[i].start;
	bool is_last = i + 1 == journal->nr;

	mem_free(journal->entries[i].path);
	mem_free(journal->entries[i].text);
	journal->nr--;
	memmove(&journal->entries[i], &journal->entries[i + 1],
		(journal->nr - i) * sizeof(journal->entries[0]));
	if (is_last)
		cut_file(journal, i ? journal->entries[i - 1].end : journal->start);
	else if (io_pwrite(journal->fd, &(char){DONE}, 1, start) < 0)
		return; /* undone once more by the next, which does no harm */
}

void journal_close_file(struct kernel_journal *journal)
{
	while (journal->nr) {
		struct journal_entry *entry = &journal->entries[--journal->nr];

		mem_free(entry->path);
		mem_free(entry->text);
	}
	io_close(journal->fd);
	mem_free(journal->entries);
	mem_free(journal->command);
	mem_free(journal->path);
}

void journal_file_forget(struct kernel_journal *journal, size_t nr)
{
	while (journal->nr > nr)
		journal_file_remove(journal, journal->nr - 1);
}
