/* SPDX-License-Identifier: MIT */
/* Chunks of a recording that was made in haste. */
#ifndef SONDE_TRACEDAT_PACK_H
#define SONDE_TRACEDAT_PACK_H

#include "tracedat/stream.h"
#include "tracedat/writer.h"

/*
 * All chunks of a compressed area, in their order: those that were stored without being compressed
 * (dat_codec_wrap) are compressed now, on all CPUs at once; all others are spliced as they are.
 */
int dat_pack(struct dat_writer *writer, const struct dat_raw_area *area, struct err *err)
	_must_check_;

#endif
