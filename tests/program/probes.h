/* SPDX-License-Identifier: MIT */
/*
 * USDT probes as <sys/sdt.h> writes them, for test programs: a nop, and a note that says where it
 * is and where its arguments are. SEMAPHORE is the name of a variable, or 0.
 */
#ifndef SONDE_TESTS_PROBES_H
#define SONDE_TESTS_PROBES_H

#define PROBE_NOTE(semaphore, name, args)                                                          \
	"990: nop\n"                                                                               \
	".pushsection .note.stapsdt, \"\", \"note\"\n"                                             \
	".balign 4\n"                                                                              \
	".4byte 992f-991f, 994f-993f, 3\n"                                                         \
	"991: .asciz \"stapsdt\"\n"                                                                \
	"992: .balign 4\n"                                                                         \
	"993: .8byte 990b, _.stapsdt.base, " semaphore "\n"                                        \
	".asciz \"test\"\n"                                                                        \
	".asciz \"" name "\"\n"                                                                    \
	".asciz \"" args "\"\n"                                                                    \
	"994: .balign 4\n"                                                                         \
	".popsection\n"                                                                            \
	".ifndef _.stapsdt.base\n"                                                                 \
	".pushsection .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat\n"                \
	".weak _.stapsdt.base\n"                                                                   \
	".hidden _.stapsdt.base\n"                                                                 \
	"_.stapsdt.base: .space 1\n"                                                               \
	".size _.stapsdt.base, 1\n"                                                                \
	".popsection\n"                                                                            \
	".endif\n"

#define PROBE0(name)		__asm__ volatile(PROBE_NOTE("0", name, "")::)
#define PROBE1(name, type_a, a) __asm__ volatile(PROBE_NOTE("0", name, type_a "@%0")::"nor"(a))
#define PROBE2(name, type_a, a, type_b, b)                                                         \
	__asm__ volatile(PROBE_NOTE("0", name, type_a "@%0 " type_b "@%1")::"nor"(a), "nor"(b))
#define PROBE3(name, type_a, a, type_b, b, type_c, c)                                              \
	__asm__ volatile(                                                                          \
		PROBE_NOTE("0", name, type_a "@%0 " type_b "@%1 " type_c "@%2")::"nor"(a),         \
		"nor"(b), "nor"(c))
/* With a semaphore, an unsigned short that is called so. */
#define PROBE_IF1(semaphore, name, type_a, a)                                                      \
	__asm__ volatile(PROBE_NOTE(#semaphore, name, type_a "@%0")::"nor"(a))
#define PROBE_SEMAPHORE(semaphore)                                                                 \
	__attribute__((section(".probes"), used)) volatile unsigned short semaphore

#endif
