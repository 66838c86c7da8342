/* SPDX-License-Identifier: MIT */
/*
 * The frame descriptions of stubs, read as an unwinder reads them: at each instruction of a stub,
 * what do they say of the caller's frame? The stack and its shadow are made up.
 */
#include "program/unwind.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/test.h"

#define AT	  0x10000u /* of the first stub */
#define STUBS	  160u	   /* bytes of two: with an exit, and without */
#define ONLY_AT	  64u	   /* of the latter */
#define SP	  0x7fff12345678ull
#define RBP_NOW	  0x1111u
#define RBP_SAVED 0x2222u
#define STACK_MAX 16u

static uint8_t memory[2 * STUBS + UNWIND_FRAMES_BYTES]; /* stubs, their states, frames */
static size_t frames_len;

/* The caller's registers, where the descriptions say that they are. */
struct caller {
	uint64_t cfa, return_at, sp, rbp;
	bool bad;
};

struct machine {
	uint64_t rip, stack[STACK_MAX];
	size_t nr;
	bool bad;
};

static uint64_t read_leb(const uint8_t **at)
{
	uint64_t value = 0;
	unsigned int shift = 0;

	for (; **at & 0x80; shift += 7)
		value |= (uint64_t)(*(*at)++ & 0x7f) << shift;
	return value | (uint64_t) * (*at)++ << shift;
}

static void push(struct machine *machine, uint64_t value)
{
	if (machine->nr == STACK_MAX)
		machine->bad = true;
	else
		machine->stack[machine->nr++] = value;
}

static uint64_t pop(struct machine *machine)
{
	if (machine->nr)
		return machine->stack[--machine->nr];
	machine->bad = true;
	return 0;
}

static uint64_t load(struct machine *machine, uint64_t address, unsigned int size)
{
	if (address == SP - 16) /* where one of the states says that %rbp is */
		return RBP_SAVED;
	if (address - AT <= sizeof(memory) - size)
		return load_uint(memory + (address - AT), size, false);
	machine->bad = true;
	return 0;
}

/* Those of two operands. */
static uint64_t calculate(struct machine *machine, uint8_t op)
{
	uint64_t b = pop(machine), a = pop(machine);

	switch (op) {
	case 0x1a:
		return a & b;
	case 0x1c:
		return a - b;
	case 0x1e:
		return a * b;
	case 0x22:
		return a + b;
	case 0x25:
		return a >> b;
	case 0x2e:
		return a != b;
	default:
		machine->bad = true;
		return 0;
	}
}

static uint64_t register_of(const struct machine *machine, uint8_t number)
{
	return number == 16 ? machine->rip : number == 7 ? SP : RBP_NOW;
}

/* DWARF 5, section 2.5, as far as it is used. */
static void step(struct machine *machine, const uint8_t **at)
{
	uint8_t op = *(*at)++;
	uint64_t a, b;

	switch (op) {
	case 0x06: /* deref */
		push(machine, load(machine, pop(machine), 8));
		break;
	case 0x08: /* const1u */
		push(machine, *(*at)++);
		break;
	case 0x0e: /* const8u */
		push(machine, load_uint(*at, 8, false));
		*at += 8;
		break;
	case 0x12: /* dup */
		a = pop(machine);
		push(machine, a);
		push(machine, a);
		break;
	case 0x13: /* drop */
		pop(machine);
		break;
	case 0x16: /* swap */
		a = pop(machine);
		b = pop(machine);
		push(machine, a);
		push(machine, b);
		break;
	case 0x28: /* bra, to what is so far behind it */
		*at += pop(machine) ? 2 + (int16_t)load_u16(*at, false) : 2;
		break;
	case 0x2f: /* skip */
		*at += 2 + (int16_t)load_u16(*at, false);
		break;
	case 0x30 ... 0x4f: /* literals */
		push(machine, op - 0x30);
		break;
	case 0x70 ... 0x8f: /* breg */
		push(machine, register_of(machine, op - 0x70) + read_leb(at));
		break;
	case 0x94: /* deref_size */
		push(machine, load(machine, pop(machine), *(*at)++));
		break;
	default:
		push(machine, calculate(machine, op));
	}
}

static uint64_t evaluate(struct caller *caller, const uint8_t *at, uint64_t len, uint64_t rip,
			 bool has_cfa)
{
	struct machine machine = {.rip = rip};
	const uint8_t *end = at + len;
	uint64_t value;

	if (has_cfa)
		push(&machine, caller->cfa);
	while (at < end && !machine.bad)
		step(&machine, &at);
	value = pop(&machine);
	caller->bad |= machine.bad || at != end || machine.nr;
	return value;
}

/* Each of the rules of the CIE, at the stub's byte `offset`. */
static struct caller unwind(size_t offset)
{
	const uint8_t *cie = memory + 2 * STUBS + UNWIND_HDR_BYTES, *end;
	const uint8_t *at = cie + 8 + 9; /* behind the augmentation zR */
	struct caller caller = {.bad = false};

	end = cie + 4 + load_u32(cie, false);
	while (at < end && *at) {
		uint8_t kind = *at++, reg = kind == 0x0f ? 0 : *at++;
		uint64_t len = read_leb(&at);
		uint64_t value = evaluate(&caller, at, len, AT + offset, kind != 0x0f);

		at += len;
		if (kind == 0x0f)
			caller.cfa = value;
		else if (kind == 0x10 && reg == 16)
			caller.return_at = value;
		else if (kind == 0x16 && reg == 7)
			caller.sp = value;
		else if (kind == 0x16 && reg == 6)
			caller.rbp = value;
		else
			caller.bad = true;
	}
	return caller;
}

static void make(void)
{
	memset(memory, 0, sizeof(memory));
	unwind_put_head(memory + STUBS, false);
	unwind_put_head(memory + STUBS + ONLY_AT, true);
	frames_len = unwind_put_frames(memory + 2 * STUBS, STUBS);
}

/* `above`: from the stack pointer to behind the return address. */
static bool is(size_t offset, uint64_t above, bool odd, bool shadow)
{
	struct caller caller = unwind(offset);
	uint64_t sp = SP + above, at = sp - 8 - (shadow ? PROGRAM_SHADOW : 0);
	bool ok = !caller.bad && caller.cfa == sp + odd && caller.sp == sp &&
		  caller.return_at == at && caller.rbp == RBP_NOW;

	if (!ok)
		printf("# byte %zu: CFA %+lld, return address %+lld, sp %+lld, rbp %llx%s\n",
		       offset, (long long)(caller.cfa - SP), (long long)(caller.return_at - SP),
		       (long long)(caller.sp - SP), (unsigned long long)caller.rbp,
		       caller.bad ? ", bad" : "");
	return ok;
}

/* layout.h says what is where on the stack before each instruction. */
TEST(every_instruction_of_a_stub)
{
	make();
	CHECK(is(0, 8, false, false));	 /* push $ID */
	CHECK(is(5, 16, false, false));	 /* call *ENTRY */
	CHECK(is(11, 16, false, false)); /* lea 16(%rsp),%rsp */
	CHECK(is(16, 0, true, true));	 /* call displaced */
	CHECK(is(21, 0, true, true));	 /* push $ID: where the function returns to */
	CHECK(is(26, 8, false, true));	 /* jmp *EXIT */
}

TEST(every_instruction_of_a_stub_that_sees_the_entry_only)
{
	make();
	CHECK(is(ONLY_AT, 8, false, false));
	CHECK(is(ONLY_AT + 5, 16, false, false));
	CHECK(is(ONLY_AT + 11, 16, false, false));
}

/* Behind those: a probe of a function's entry, and what sees its return. */
TEST(every_instruction_of_a_stub_with_probes)
{
	const size_t hit = ONLY_AT + PROGRAM_STUB_ONLY, at = hit + PROGRAM_PROBE_CALL_BYTES;

	make();
	unwind_put_hit(memory + STUBS + hit);
	unwind_put_return(memory + STUBS + at);
	CHECK(is(hit, 8, false, false));	/* lea -128(%rsp),%rsp */
	CHECK(is(hit + 5, 136, false, false));	/* push $DISTANCE */
	CHECK(is(hit + 10, 144, false, false)); /* call *PROBE */
	CHECK(is(hit + 16, 144, false, false)); /* lea 136(%rsp),%rsp */
	CHECK(is(at, 8, false, false));		/* call *RETURN_ENTRY */
	CHECK(is(at + 6, 8, false, false));	/* lea 8(%rsp),%rsp */
	CHECK(is(at + 11, 0, true, true));	/* call displaced */
	CHECK(is(at + 16, 0, true, true));	/* push $DISTANCE: where the function returns to */
	CHECK(is(at + 21, 8, false, true));	/* call *RETURN */
	CHECK(is(at + 27, 8, false, true));	/* ret */
}

/* What window.c puts: pushes, larger frames, a saved frame pointer. */
TEST(displaced_code)
{
	uint8_t *states = memory + STUBS + PROGRAM_STUB_DISPLACED;

	make();
	for (uint8_t above = 8; above < UNWIND_FAR; above += 8) {
		states[0] = above;
		CHECK(is(PROGRAM_STUB_DISPLACED, above, false, false));
	}
	states[0] = UNWIND_FAR;
	store_u32(states + 1, 0x12348, false);
	CHECK(is(PROGRAM_STUB_DISPLACED, 0x12348, false, false));
	states[0] = UNWIND_FAR | UNWIND_SHADOW;
	CHECK(is(PROGRAM_STUB_DISPLACED, 0x12348, false, true));
}

TEST(a_saved_frame_pointer)
{
	struct caller caller;

	make();
	/* The CFA is at the stack pointer here, so that the slot is at a known place. */
	memory[STUBS + PROGRAM_STUB_DISPLACED] = UNWIND_RBP;
	caller = unwind(PROGRAM_STUB_DISPLACED);
	CHECK(!caller.bad && caller.cfa == SP && caller.rbp == RBP_SAVED);
}

/* The header's table, and the description, which say where the stubs are. */
TEST(one_description_for_all)
{
	const uint8_t *header = memory + 2 * STUBS, *frame;
	uint64_t at = AT + 2 * STUBS;

	make();
	CHECK(frames_len <= UNWIND_FRAMES_BYTES);
	CHECK(!memcmp(header, "\x01\x1b\x03\x3b", 4));
	CHECK_EQ(4 + load_u32(header + 4, false), UNWIND_HDR_BYTES);
	CHECK_EQ(load_u32(header + 8, false), 1);
	CHECK_EQ(at + (uint64_t)(int32_t)load_u32(header + 12, false), AT);
	frame = header + load_u32(header + 16, false);
	CHECK_EQ(load_u32(frame, false), 20);
	CHECK_EQ(frame + 4 - load_u32(frame + 4, false) - header, UNWIND_HDR_BYTES);
	CHECK_EQ(at + (uint64_t)(frame + 8 - header) +
			 (uint64_t)(int32_t)load_u32(frame + 8, false),
		 AT);
	CHECK_EQ(load_u32(frame + 12, false), STUBS);
	CHECK_EQ(load_u32(frame + 24, false), 0);
	CHECK_EQ(frame + 28 - header, (long long)frames_len);
}

TEST_MAIN()
