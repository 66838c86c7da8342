/* SPDX-License-Identifier: MIT */
/*
 * The shape of a buffer: how large it is, how large its sub-buffers are, and how full it is when
 * its reader is woken. What the plan does not say is chosen here for an instance of our own; one
 * that was there before keeps its shape. The numbers are measured: docs/design/record.md.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "record/session.h"

#define KERNEL_BUFFER_KB 1408 /* the kernel's default */
#define OWN_BUFFER_KB	 4096 /* ours, where all CPUs together take little of the memory */
#define MEMORY_SHARE	 64

/*
 * A sub-buffer is what one read brings, and what is lost at once. Of this size they are read in a
 * third of the time that pages of 4 KiB take; larger ones are no better.
 */
#define SUBBUF_KB   16
#define SUBBUFS_MIN 32

/* A reader that comes at so much finds it in the CPU's cache, and is seldom woken for little. */
#define WAKE_KB		 384
#define WAKE_PERCENT_MAX 25

/* One that stays after us (sonde start) is what the kernel makes it. */
static bool is_ours(const struct session *session, const struct session_instance *inst)
{
	return inst->kernel.created && !session->plan->keep_after;
}

/* 0 when it is not known. */
static uint64_t memory_kb(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages < 0 || size < 0 ? 0 : (uint64_t)pages * ((uint64_t)size / 1024);
}

static bool memory_allows(const struct session *session)
{
	return (uint64_t)session->fs->cpus * OWN_BUFFER_KB * MEMORY_SHARE <= memory_kb();
}

/* The kernel would take what there is, page by page, before it found out. */
static int check_size(const struct session *session, uint64_t kb, struct err *err)
{
	uint64_t have = memory_kb(), cpus = session->fs->cpus;
	unsigned long long wanted_mib = kb / 1024;

	if (!have || kb <= have / cpus)
		return 0;
	wanted_mib *= cpus;
	return err_set(
		err, -ENOMEM,
		"-b %llu: the buffers of %llu CPUs would take %llu MiB, and this machine has "
		"%llu MiB (sonde doctor names a size that half of what is free would hold)",
		(unsigned long long)kb, (unsigned long long)cpus, wanted_mib,
		(unsigned long long)(have / 1024));
}

/* A number out of one of the instance's files; `missing` when there is none. */
static uint64_t read_number(const struct kernel_instance *kernel, const char *file,
			    uint64_t missing)
{
	_cleanup_free_ char *text = NULL;

	if (tracefs_read(kernel->path, file, "look at the buffer", 4096, &text, NULL, NULL) < 0)
		return missing;
	/* "X" where the CPUs differ */
	return text[0] >= '0' && text[0] <= '9' ? strtoull(text, NULL, 10) : missing;
}

static int set_size(const struct session *session, struct session_instance *inst, struct err *err)
{
	struct kernel_instance *kernel = &inst->kernel;
	struct err ignored;
	int r = check_size(session, inst->plan->buffer_kb, err);

	if (r < 0)
		return r;
	if (inst->plan->buffer_kb)
		return kernel_instance_buffer(kernel, inst->plan->buffer_kb, err);
	/* The top buffer may never have been used, or be as small as another program left it. */
	if (!kernel->name[0])
		return kernel_instance_buffer_at_least(kernel, KERNEL_BUFFER_KB, err);
	if (is_ours(session, inst) && memory_allows(session) &&
	    kernel_instance_buffer(kernel, OWN_BUFFER_KB, &ignored) < 0)
		return 0; /* the kernel's own choice will do */
	return 0;
}

static int set_subbuf(const struct session *session, struct session_instance *inst, struct err *err)
{
	struct kernel_instance *kernel = &inst->kernel;
	uint64_t kb = inst->plan->buffer_kb ? inst->plan->buffer_kb : KERNEL_BUFFER_KB;
	struct err ignored;

	if (inst->plan->subbuf_kb)
		return kernel_instance_subbuf(kernel, inst->plan->subbuf_kb, err);
	if (is_ours(session, inst) && kernel->page_size < SUBBUF_KB * 1024 &&
	    kb / SUBBUF_KB >= SUBBUFS_MIN &&
	    tracefs_exists(kernel->path, "buffer_subbuf_size_kb") &&
	    kernel_instance_subbuf(kernel, SUBBUF_KB, &ignored) < 0)
		return 0; /* as above */
	return 0;
}

/* Kernels before 5.0 have no watermark. */
static uint64_t set_watermark(const struct session *session, const struct session_instance *inst,
			      uint64_t kb)
{
	const struct kernel_instance *kernel = &inst->kernel;
	uint64_t percent = MIN(MAX(WAKE_KB * 100 / MAX(kb, 1ull), 1ull), WAKE_PERCENT_MAX + 0ull);
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)percent);
	if (is_ours(session, inst) && tracefs_exists(kernel->path, "buffer_percent") &&
	    tracefs_write(kernel->path, "buffer_percent", text, "set the watermark", NULL) == 0)
		return percent;
	return read_number(kernel, "buffer_percent", 0);
}

int session_shape_buffer(struct session *session, struct session_instance *inst, struct err *err)
{
	const struct kernel_instance *kernel = &inst->kernel;
	int r = set_subbuf(session, inst, err);
	uint64_t kb, percent;

	if (r == 0)
		r = set_size(session, inst, err);
	if (r < 0)
		return r;
	kb = inst->buffer_kb = read_number(kernel, "buffer_size_kb", 0);
	inst->loss = mem_calloc(session->fs->cpus, sizeof(*inst->loss));
	if (!inst->loss)
		return err_sys(err, -ENOMEM, "cannot set up the recording");
	percent = set_watermark(session, inst, kb);
	/* The kernel counts the sub-buffer that is being written as well. */
	inst->wake_pages = (uint32_t)MIN(kb * 1024 / kernel->page_size * percent / 100, 1u << 20);
	inst->wake_pages = MAX(inst->wake_pages, 2u) - 1;
	return 0;
}
