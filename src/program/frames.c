/* SPDX-License-Identifier: MIT */
/*
 * The part of DWARF's call frame information that is needed here: the ranges, and the rule for the
 * canonical frame address, which is %rsp + 8 where a function begins and something else where a
 * part of a function lies that the compiler has moved away. Rules for registers are read over,
 * except that the return address may be undefined.
 *
 * The format: Linux Standard Base, "Exception Frames"; DWARF 5, section 6.4.
 */
#include "program/frames.h"

#include "base/bytes.h"
#include "base/mem.h"

#define CIE_NONE       SIZE_MAX
#define STATES_MAX     16u
#define REGISTER_RSP   7u
#define REGISTER_RA    16u
#define CFA_AT_ENTRY   8u

#define PE_FORMAT      0x0fu
#define PE_APPLICATION 0x70u
#define PE_PCREL       0x10u
#define PE_INDIRECT    0x80u
#define PE_OMIT	       0xffu

/* A place in the data, which never passes the end. */
struct reader {
	const uint8_t *data;
	size_t at, end;
	bool bad;
};

static uint64_t read_uint(struct reader *reader, unsigned int size)
{
	uint64_t value;

	if (reader->end - reader->at < size) {
		reader->at = reader->end;
		reader->bad = true;
		return 0;
	}
	value = load_uint(reader->data + reader->at, size, false);
	reader->at += size;
	return value;
}

static uint64_t read_leb(struct reader *reader, bool is_signed)
{
	unsigned int shift = 0;
	uint64_t value = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)read_uint(reader, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && !reader->bad);
	if (is_signed && shift < 64 && byte & 0x40)
		value |= ~0ull << shift;
	return value;
}

static void skip_bytes(struct reader *reader, uint64_t nr)
{
	if (nr > reader->end - reader->at) {
		reader->bad = true;
		nr = reader->end - reader->at;
	}
	reader->at += (size_t)nr;
}

/* A pointer as DW_EH_PE_* encodes it; `address` is that of data[0]. */
static uint64_t read_pointer(struct reader *reader, uint8_t encoding, uint64_t address)
{
	uint64_t here = address + reader->at, value;

	switch (encoding & PE_FORMAT) {
	case 0x00: /* absptr */
	case 0x04:
	case 0x0c:
		value = read_uint(reader, 8);
		break;
	case 0x01:
		value = read_leb(reader, false);
		break;
	case 0x02:
		value = read_uint(reader, 2);
		break;
	case 0x03:
		value = read_uint(reader, 4);
		break;
	case 0x09:
		value = read_leb(reader, true);
		break;
	case 0x0a:
		value = (uint64_t)(int16_t)read_uint(reader, 2);
		break;
	case 0x0b:
		value = (uint64_t)(int32_t)read_uint(reader, 4);
		break;
	default:
		reader->bad = true;
		return 0;
	}
	if ((encoding & PE_APPLICATION) == PE_PCREL)
		return value + here;
	if (encoding & (PE_APPLICATION | PE_INDIRECT))
		reader->bad = true;
	return value;
}

/* The augmentation's data, up to what follows it. */
static void read_augmentation(struct reader *reader, const char *letters, size_t nr,
			      struct frame_cie *cie)
{
	uint64_t bytes = read_leb(reader, false);
	struct reader data = *reader;

	cie->augmented = true;
	skip_bytes(reader, bytes);
	data.end = reader->at;
	for (size_t i = 1; i < nr && !data.bad; i++) {
		uint8_t encoding;

		switch (letters[i]) {
		case 'R':
			cie->encoding = (uint8_t)read_uint(&data, 1);
			break;
		case 'L':
			read_uint(&data, 1);
			break;
		case 'P':
			/* Where the personality routine is does not matter, only how long it is. */
			encoding = (uint8_t)read_uint(&data, 1);
			if (encoding != PE_OMIT)
				read_pointer(&data, encoding & PE_FORMAT, 0);
			break;
		case 'S':
			cie->is_signal = true;
			break;
		default:
			return;
		}
	}
}

/* The entry at `at`: its content without the length and the id. False at a terminator or the end.
 */
static bool read_entry(const struct frames *frames, size_t at, struct reader *ret_content,
		       uint64_t *ret_id, size_t *ret_id_at)
{
	struct reader reader = {.data = frames->data, .at = at, .end = frames->len};
	uint64_t length = read_uint(&reader, 4);

	if (length == UINT32_MAX)
		length = read_uint(&reader, 8);
	if (reader.bad || length < 4 || length > reader.end - reader.at)
		return false;
	reader.end = reader.at + (size_t)length;
	*ret_id_at = reader.at;
	*ret_id = read_uint(&reader, 4);
	*ret_content = reader;
	return true;
}

static bool read_cie(const struct frames *frames, size_t at, struct frame_cie *ret_cie)
{
	struct frame_cie cie = {.at = at};
	struct reader reader;
	const char *letters;
	uint8_t version;
	size_t id_at, nr;
	uint64_t id;

	if (!read_entry(frames, at, &reader, &id, &id_at) || id != 0)
		return false;
	version = (uint8_t)read_uint(&reader, 1);
	letters = (const char *)reader.data + reader.at;
	nr = strnlen(letters, reader.end - reader.at);
	skip_bytes(&reader, nr + 1);
	if (version == 4)
		skip_bytes(&reader, 2);
	cie.code_align = read_leb(&reader, false);
	read_leb(&reader, true);
	if (version == 1)
		read_uint(&reader, 1);
	else
		read_leb(&reader, false);
	if (nr && letters[0] == 'z')
		read_augmentation(&reader, letters, nr, &cie);
	else if (nr)
		return false;
	cie.insns = reader.at;
	cie.insns_end = reader.end;
	*ret_cie = cie;
	return !reader.bad;
}

void frames_init(struct frames *frames, const uint8_t *data, size_t len, uint64_t address,
		 bool to_end)
{
	*frames = (struct frames){
		.data = data,
		.len = len,
		.address = address,
		.to_end = to_end,
		.cie = {.at = CIE_NONE},
	};
}

/* A description whose content begins at the reader; its CIE is `id` bytes before the id. */
static bool read_frame(struct frames *frames, struct reader reader, uint64_t id, size_t id_at,
		       struct frame *ret_frame)
{
	struct frame frame = {.at = ret_frame->at};
	uint8_t encoding;

	if (id > id_at)
		return false;
	if (frames->cie.at != id_at - id && !read_cie(frames, id_at - (size_t)id, &frames->cie)) {
		frames->cie.at = CIE_NONE;
		return false;
	}
	frame.cie = frames->cie;
	encoding = frame.cie.encoding;
	frame.start = read_pointer(&reader, encoding, frames->address);
	frame.bytes = read_pointer(&reader, encoding & PE_FORMAT, 0);
	if (frame.cie.augmented)
		skip_bytes(&reader, read_leb(&reader, false));
	frame.insns = reader.at;
	frame.insns_end = reader.end;
	*ret_frame = frame;
	return !reader.bad && frame.bytes && frame.start <= UINT64_MAX - frame.bytes;
}

bool frames_read(struct frames *frames, size_t at, struct frame *ret_frame)
{
	struct reader content;
	size_t id_at;
	uint64_t id;

	ret_frame->at = at;
	return read_entry(frames, at, &content, &id, &id_at) && id != 0 &&
	       read_frame(frames, content, id, id_at, ret_frame);
}

bool frames_next(struct frames *frames, struct frame *ret_frame)
{
	while (frames->len - frames->at >= 4) {
		struct reader content;
		size_t id_at;
		uint64_t id;

		if (!read_entry(frames, frames->at, &content, &id, &id_at)) {
			if (load_u32(frames->data + frames->at, false) != 0 || !frames->to_end)
				return false;
			frames->at += 4;
			continue;
		}
		ret_frame->at = frames->at;
		frames->at = content.end;
		if (id != 0 && read_frame(frames, content, id, id_at, ret_frame))
			return true;
	}
	return false;
}

struct rule {
	uint64_t reg, offset;
	bool expression, outermost;
};

struct machine {
	struct rule rule, saved[STATES_MAX];
	size_t nr_saved;
	uint64_t at; /* bytes from the start */
};

/* Instructions that only say where a register is. */
static bool read_register_rule(struct reader *reader, struct machine *machine, uint8_t op)
{
	uint64_t reg;

	if (op >> 6 == 2) { /* offset */
		read_leb(reader, false);
		return true;
	}
	if (op >> 6 == 3) /* restore */
		return true;
	switch (op) {
	case 0x00: /* nop */
	case 0x2d: /* window save */
		return true;
	case 0x07: /* undefined */
		reg = read_leb(reader, false);
		if (reg == REGISTER_RA)
			machine->rule.outermost = true;
		return true;
	case 0x06: /* restore extended */
	case 0x08: /* same value */
	case 0x2e: /* size of arguments */
		read_leb(reader, false);
		return true;
	case 0x05: /* offset extended, signed or not */
	case 0x09: /* register */
	case 0x11:
	case 0x14: /* value offset, signed or not */
	case 0x15:
	case 0x2f:
		read_leb(reader, false);
		read_leb(reader, false);
		return true;
	case 0x10: /* expressions */
	case 0x16:
		read_leb(reader, false);
		skip_bytes(reader, read_leb(reader, false));
		return true;
	default:
		return false;
	}
}

/* Instructions that say where the frame is. */
static bool read_frame_rule(struct reader *reader, struct machine *machine, uint8_t op)
{
	struct rule *rule = &machine->rule;

	switch (op) {
	case 0x0a:
		if (machine->nr_saved == STATES_MAX)
			return false;
		machine->saved[machine->nr_saved++] = *rule;
		return true;
	case 0x0b:
		if (!machine->nr_saved)
			return false;
		*rule = machine->saved[--machine->nr_saved];
		return true;
	case 0x0c:
		rule->reg = read_leb(reader, false);
		rule->offset = read_leb(reader, false);
		rule->expression = false;
		return true;
	case 0x0d:
		rule->reg = read_leb(reader, false);
		return true;
	case 0x0e:
		rule->offset = read_leb(reader, false);
		return true;
	case 0x0f:
		skip_bytes(reader, read_leb(reader, false));
		rule->expression = true;
		return true;
	case 0x12: /* signed and factored: not for frames that are entered */
	case 0x13:
		return false;
	default:
		return read_register_rule(reader, machine, op);
	}
}

/* Run instructions up to those for behind `offset`. False when they make no sense. */
static bool run(struct reader reader, struct machine *machine, uint64_t code_align, uint64_t offset)
{
	while (reader.at < reader.end && !reader.bad) {
		uint8_t op = (uint8_t)read_uint(&reader, 1);
		uint64_t step;

		if (op >> 6 == 1)
			step = op & 0x3f;
		else if (op >= 0x02 && op <= 0x04)
			step = read_uint(&reader, 1u << (op - 0x02));
		else if (read_frame_rule(&reader, machine, op))
			continue;
		else
			return false;
		machine->at += step * code_align;
		if (machine->at > offset)
			return true;
	}
	return !reader.bad;
}

enum frame_state frames_state(const struct frames *frames, const struct frame *frame,
			      uint64_t offset)
{
	struct reader reader = {
		.data = frames->data, .at = frame->cie.insns, .end = frame->cie.insns_end};
	struct machine machine = {.at = 0};

	if (!run(reader, &machine, frame->cie.code_align, UINT64_MAX))
		return FRAME_INSIDE;
	machine.at = 0;
	reader.at = frame->insns;
	reader.end = frame->insns_end;
	if (!run(reader, &machine, frame->cie.code_align, offset))
		return FRAME_INSIDE;
	if (machine.rule.outermost)
		return FRAME_OUTERMOST;
	return !machine.rule.expression && machine.rule.reg == REGISTER_RSP &&
			       machine.rule.offset == CFA_AT_ENTRY
		       ? FRAME_ENTERED
		       : FRAME_INSIDE;
}
