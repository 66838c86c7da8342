/* SPDX-License-Identifier: MIT */
/*
 * A probe is hit: its arguments are what the image says (struct program_probe), taken from the
 * registers that the assembly has saved, and from memory.
 */
#include "runtime/runtime.h"

#define ARGS_AT 8u /* behind the address */
#define RSP	4u

/* What the payload of a record is made in. */
union payload {
	uint64_t ip;
	uint8_t bytes[ARGS_AT + 8 * PROGRAM_PROBE_ARGS_MAX];
};

static uint64_t extend(uint64_t value, uint8_t size, bool is_signed)
{
	unsigned int shift = 64 - 8u * size;

	value <<= shift;
	return is_signed ? (uint64_t)((int64_t)value >> shift) : value >> shift;
}

static uint64_t load(uint64_t address, uint8_t size)
{
	uint64_t value = 0;

	__builtin_memcpy(&value, (const void *)address, size);
	return value;
}

static uint64_t start_of(const struct rt_registers *registers, const struct program_probe *probe,
			 const struct program_probe_arg *arg)
{
	uint64_t value = (uint64_t)arg->number;

	if (arg->start == PROGRAM_START_ADDRESS)
		value += (uint64_t)(uintptr_t)probe - probe->self;
	if (arg->start == PROGRAM_START_REGISTER)
		value = extend(registers->by_number[arg->reg & 15] >> arg->shift, arg->reg_size,
			       arg->is_signed);
	if (arg->index != PROGRAM_NO_REGISTER)
		value += registers->by_number[arg->index & 15] * arg->scale;
	return value;
}

static uint64_t fetch(const struct rt_registers *registers, const struct program_probe *probe,
		      const struct program_probe_arg *arg)
{
	uint64_t value = start_of(registers, probe, arg);

	for (uint32_t i = 0; i < arg->nr_derefs; i++)
		value = load(value + (uint64_t)arg->derefs[i],
			     i + 1u < arg->nr_derefs ? 8 : arg->size);
	return extend(value, arg->size, arg->is_signed);
}

void rt_probe_hit(const struct rt_registers *registers, const struct program_probe *probe)
{
	struct ring_thread *ring = rt_ring(registers->by_number[RSP]);
	uint64_t args[PROGRAM_PROBE_ARGS_MAX];
	union payload payload;

	/* Off, it may be switched on by a trigger. */
	if (!ring_is_tracing(rt_session) && !probe->watched)
		return;
	payload.ip = probe->ip;
	for (uint32_t i = 0; i < probe->nr_args; i++) {
		const struct program_probe_arg *arg = &probe->args[i];

		args[i] = fetch(registers, probe, arg);
		__builtin_memcpy(payload.bytes + arg->offset, &args[i], arg->size);
	}
	if (probe->watched && rt_watching &&
	    !rt_watch_probe(ring, registers->by_number[RSP], probe, args, &payload))
		return;
	ring_write(rt_session, ring, probe->event, &payload, probe->bytes);
}

/* Each process has its own; a fork's is a copy of its parent's. */
void rt_probes_begin(const struct program_image_header *header, uint64_t arena)
{
	const struct program_probe *probes =
		(const void *)(arena + PROGRAM_WORDS_BYTES + header->probes);

	for (uint64_t i = 0; i < header->nr_probes; i++) {
		uint64_t bias = (uint64_t)(uintptr_t)&probes[i] - probes[i].self;

		if (probes[i].semaphore)
			__atomic_fetch_add((uint16_t *)(probes[i].semaphore + bias), 1,
					   __ATOMIC_RELAXED);
	}
}
