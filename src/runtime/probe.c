/* SPDX-License-Identifier: MIT */
/*
 * A probe is hit: its arguments are what the image says (struct program_probe), taken from the
 * registers that the assembly has saved, and from memory.
 */
#include "runtime/runtime.h"
#include "runtime/sys.h"

#define ARGS_MAX_AT  16u   /* behind the addresses */
#define TEXT_BYTES   256u  /* of a string, its NUL included */
#define TEXTS_BYTES  1024u /* of all strings of a record */
#define COMMON_BYTES 8u

/* What the payload of a record is made in. */
union payload {
	uint64_t addresses[2]; /* of the instruction; of the function, and where it returns to */
	uint8_t bytes[ARGS_MAX_AT + 8 * PROGRAM_PROBE_ARGS_MAX + TEXTS_BYTES];
};

static uint64_t extend(uint64_t value, uint8_t size, bool is_signed)
{
	unsigned int shift = 64 - 8u * size;

	value <<= shift;
	return is_signed ? (uint64_t)((int64_t)value >> shift) : value >> shift;
}

/* Memory that may not be there: asked of the kernel, so that nobody is hurt. */
static bool read_memory(uint64_t address, void *to, uint32_t bytes)
{
	const uint64_t here[2] = {(uint64_t)(uintptr_t)to, bytes}, there[2] = {address, bytes};

	return raw_syscall(SYS_process_vm_readv, sys_0(SYS_getpid), (long)here, 1, (long)there, 1,
			   0) == (long)bytes;
}

static uint64_t load(const struct program_probe_arg *arg, uint64_t address, uint8_t size)
{
	uint64_t value = 0;

	if (arg->is_safe)
		__builtin_memcpy(&value, (const void *)address, size);
	else if (!read_memory(address, &value, size))
		value = 0;
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

/* The number, or where the text is. */
static uint64_t fetch(const struct rt_registers *registers, const struct program_probe *probe,
		      const struct program_probe_arg *arg)
{
	uint64_t value = start_of(registers, probe, arg);

	for (uint32_t i = 0; i < arg->nr_derefs; i++) {
		bool is_last = i + 1u == arg->nr_derefs;

		value += (uint64_t)arg->derefs[i];
		if (is_last && !arg->size)
			return value;
		value = load(arg, value, is_last ? arg->size : 8);
	}
	return extend(value, arg->size, arg->is_signed);
}

/* The text at `address`, cut off where memory or room ends, with a NUL; its bytes. */
static uint32_t read_text(uint64_t address, uint8_t *to, uint32_t room)
{
	static const char fault[] = "(fault)";
	uint32_t limit = room < TEXT_BYTES ? room : TEXT_BYTES, len = 0;

	while (len + 1 < limit) {
		uint32_t to_page =
			PROGRAM_PAGE_BYTES - (uint32_t)((address + len) % PROGRAM_PAGE_BYTES);
		uint32_t part = to_page < limit - len - 1 ? to_page : limit - len - 1;

		if (!read_memory(address + len, to + len, part))
			break;
		for (uint32_t end = len + part; len < end; len++) {
			if (!to[len])
				return len + 1;
		}
	}
	if (!len && limit >= sizeof(fault)) {
		memcpy(to, fault, sizeof(fault));
		return sizeof(fault);
	}
	if (limit)
		to[len++] = '\0';
	return len;
}

/* The arguments' values, and their places in the payload; how long that becomes. */
static uint32_t fill(const struct rt_registers *registers, const struct program_probe *probe,
		     uint64_t *args, union payload *payload)
{
	uint32_t bytes = probe->bytes;

	for (uint32_t i = 0; i < probe->nr_args && i < PROGRAM_PROBE_ARGS_MAX; i++) {
		const struct program_probe_arg *arg = &probe->args[i];

		args[i] = fetch(registers, probe, arg);
		if (arg->size) {
			__builtin_memcpy(payload->bytes + arg->offset, &args[i], arg->size);
		} else {
			uint32_t len = read_text(args[i], payload->bytes + bytes,
						 (uint32_t)sizeof(*payload) - bytes);
			uint32_t where = (bytes + COMMON_BYTES) | len << 16;

			__builtin_memcpy(payload->bytes + arg->offset, &where, sizeof(where));
			bytes += len;
		}
	}
	return bytes;
}

static void record(const struct rt_registers *registers, const struct program_probe *probe,
		   uint64_t sp)
{
	struct ring_thread *ring = rt_ring(sp);
	uint64_t args[PROGRAM_PROBE_ARGS_MAX];
	union payload payload;
	uint32_t bytes;

	/* Off, it may be switched on by a trigger. */
	if (!ring_is_tracing(rt_session) && !probe->watched)
		return;
	payload.addresses[0] = probe->ip;
	if (probe->is_return)
		payload.addresses[1] = rt_trace_address(*(uint64_t *)(sp - PROGRAM_SHADOW));
	bytes = fill(registers, probe, args, &payload);
	if (probe->watched && rt_watching &&
	    !rt_watch_probe(ring, sp, probe, args, &payload, bytes))
		return;
	ring_write(rt_session, ring, probe->event, &payload, bytes);
}

void rt_probe_hit(const struct rt_registers *registers, const struct program_probe *probe)
{
	record(registers, probe, registers->by_number[RT_RSP]);
}

void rt_probe_returns(const struct rt_registers *registers, const struct program_probe *probe,
		      uint64_t sp)
{
	for (uint32_t i = 0; i <= probe->nr_more; i++)
		record(registers, &probe[i], sp);
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
