/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "base/test.h"
#include "program/frames.h"

#define ADDRESS 0x5000u

/* CIE "zR", pcrel sdata4: CFA = %rsp + 8. 24 bytes. */
#define CIE "\x14\0\0\0\0\0\0\0\x01zR\0\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01\0\0"
/* A signal handler's: "zRS". 24 bytes. */
#define CIE_SIGNAL "\x14\0\0\0\0\0\0\0\x01zRS\0\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01\0"
/* 24 bytes, `back` from its second word to the CIE; then 7 bytes of instructions. */
#define FDE(back, start, bytes, insns) "\x14\0\0\0" back "\0\0\0" start bytes "\0" insns

static const char data[] = CIE
	/* At 24: a function of 16 bytes, with a push after 1 byte. */
	FDE("\x1c", "\x00\x10\0\0", "\x10\0\0\0", "\x41\x0e\x10\0\0\0\0")
	/* At 48: begins inside. */
	FDE("\x34", "\x00\x20\0\0", "\x20\0\0\0", "\x0e\x40\0\0\0\0\0")
	/* At 72: no caller. */
	FDE("\x4c", "\x00\x30\0\0", "\x20\0\0\0", "\x07\x10\0\0\0\0\0")
	/* At 96: of nothing. */
	FDE("\x64", "\x00\x40\0\0", "\0\0\0\0", "\0\0\0\0\0\0\0")
	/* A terminator, behind which another file's descriptions stand. */
	"\0\0\0\0" CIE_SIGNAL
		/* At 148. */
		FDE("\x1c", "\x00\x50\0\0", "\x08\0\0\0", "\0\0\0\0\0\0\0");

static void open_frames(struct frames *frames, size_t len, bool to_end)
{
	frames_init(frames, (const uint8_t *)data, len, ADDRESS, to_end);
}

TEST(what_descriptions_say)
{
	struct frames frames;
	struct frame frame, again;

	open_frames(&frames, sizeof(data) - 1, true);
	CHECK(frames_next(&frames, &frame));
	CHECK_EQ(frame.start, ADDRESS + 32 + 0x1000);
	CHECK_EQ(frame.bytes, 16);
	CHECK_EQ(frames_state(&frames, &frame, 0), FRAME_ENTERED);
	CHECK_EQ(frames_state(&frames, &frame, 1), FRAME_INSIDE);
	CHECK(frames_read(&frames, frame.at, &again) && again.start == frame.start);
	CHECK(frames_next(&frames, &frame));
	CHECK_EQ(frames_state(&frames, &frame, 0), FRAME_INSIDE);
	CHECK(frames_next(&frames, &frame));
	CHECK_EQ(frames_state(&frames, &frame, 0), FRAME_OUTERMOST);
	CHECK(!frame.cie.is_signal);
	CHECK(frames_next(&frames, &frame));
	CHECK_EQ(frame.start, ADDRESS + 156 + 0x5000);
	CHECK(frame.cie.is_signal);
	CHECK(!frames_next(&frames, &frame));
}

TEST(a_terminator_ends_them)
{
	struct frames frames;
	struct frame frame;
	int nr = 0;

	open_frames(&frames, sizeof(data) - 1, false);
	while (frames_next(&frames, &frame))
		nr++;
	CHECK_EQ(nr, 3);
}

TEST(cut_off_anywhere)
{
	for (size_t len = 0; len < sizeof(data); len++) {
		_cleanup_free_ uint8_t *copy = mem_dup(data, len);
		struct frames frames;
		struct frame frame;
		int nr = 0;

		frames_init(&frames, copy, len, ADDRESS, true);
		while (frames_next(&frames, &frame)) {
			for (uint64_t i = 0; i < 20; i++)
				frames_state(&frames, &frame, i);
			nr++;
		}
		CHECK(nr <= 4);
	}
}

TEST_MAIN()
