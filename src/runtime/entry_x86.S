/* SPDX-License-Identifier: MIT */
/*
 * Where the stubs lead to (program/layout.h): before a function, after it, and before one whose end
 * is not seen. Every register is preserved, since callers may know which ones a function does not
 * touch; flags are not, for they are dead at a call and at a return.
 *
 * The fast path is one test that this stack is known to be this thread's (rt_look), the slot of the
 * return address, and the record (ring/writer_x86.h).
 */
#include "ring/writer_x86.h"
#include "runtime/asm_x86.h"
#include "runtime/runtime.h"

#define SAVED	48
#define STUB	(SAVED)      /* the stub's own return address */
#define ID	(SAVED + 8)
#define CALLER	(SAVED + 16) /* the caller's return address: the sp of the function's records */
#define EXIT_ID (SAVED)	     /* in place of the caller's return address */

.macro SAVE
	PUSH %rax
	PUSH %rdx
	PUSH %rcx
	PUSH %rsi
	PUSH %rdi
	PUSH %r8
.endm

.macro RESTORE
	POP %r8
	POP %rdi
	POP %rsi
	POP %rcx
	POP %rdx
	POP %rax
.endm

/* The return address is RT_SHADOW below its place: where an ID stands there. */
.macro RETURN_IN_SLOT
	/* the CFA - RT_SHADOW - 8: const8u, minus, lit8, minus */
	.cfi_escape 0x10, 16, 12, 0x0e, 0xc0, 0x02, 0, 0, 0, 0x10, 0, 0, 0x1c, 0x38, 0x1c
.endm

/* r8: the thread, rcx: sp of the records; to `strange` unless all is known. */
.macro KNOW at strange
	movq rt_thread@gottpoff(%rip), %r8
	leaq \at(%rsp), %rcx
	movq %rcx, %rax
	subq %fs:RT_STACK_LOW(%r8), %rax
	cmpq %fs:RT_STACK_SIZE(%r8), %rax
	jae \strange
	movl %fs:RT_EPOCH(%r8), %eax
	cmpl rt_epoch(%rip), %eax
	jne \strange
.endm

/* function(sp, address, type), with all that C may clobber saved. */
.macro CALL_C function at id type
	leaq \at(%rsp), %rdi
	movl \id(%rsp), %esi
	movl $\type, %edx
	PUSH %r9
	PUSH %r10
	PUSH %r11
	PUSH %rbp
	.cfi_rel_offset %rbp, 0
	movq %rsp, %rbp
	.cfi_def_cfa_register %rbp
	andq $-16, %rsp
	call \function
	movq %rbp, %rsp
	.cfi_def_cfa_register %rsp
	POP %rbp
	.cfi_same_value %rbp
	POP %r11
	POP %r10
	POP %r9
.endm

/* The 16 bytes of a record: common fields and type, address, stack pointer. */
.macro PAYLOAD at id type
	movq %fs:RING_THREAD_COMMON(%r8), %rax
	addq $\type, %rax
	movq %rax, 4(%rdi)
	movl \id(%rsp), %eax
	movl %eax, 12(%rdi)
	leaq \at(%rsp), %rax
	shrq $3, %rax
	movl %eax, 16(%rdi)
.endm

.macro PAYLOAD_ENTRY
	PAYLOAD CALLER, ID, RING_EVENT_ENTRY
.endm
.macro PAYLOAD_TAIL
	PAYLOAD CALLER, ID, RING_EVENT_TAIL
.endm
.macro PAYLOAD_CALL
	PAYLOAD CALLER, ID, RT_EVENT_CALL
.endm
.macro PAYLOAD_EXIT
	PAYLOAD EXIT_ID, EXIT_ID, RING_EVENT_EXIT
.endm

/* A record; goes on behind it, whether by the fast path or by C (SLOW, with the same tag). */
.macro RECORD tag payload
	movq %fs:RING_THREAD_RSEQ(%r8), %rcx
	testq %rcx, %rcx
	jz .Lslow_\tag
	RING_WRITE_CALL \tag, rt_session(%rip), \payload, .Lslow_\tag
.Lwritten_\tag:
.endm

.macro SLOW tag at id type
	RING_ABORT \tag, .Lslow_\tag
.Lslow_\tag:
	CALL_C rt_write, \at, \id, \type
	jmp .Lwritten_\tag
.endm

/* What a function seldom does, with SAVE done; up to COLD_END. */
.macro COLD
	.pushsection .text.rt_cold, "ax"
	.cfi_startproc
	.cfi_def_cfa_offset 8 + SAVED
.endm

.macro COLD_END
	.cfi_endproc
	.popsection
.endm

/*
 * Before a function. `begin` says whether there is a record: it may jump to its argument; `record`
 * makes it. Without `tail` the function's end is not seen.
 *
 * With it, the return address goes to its slot. One inside an arena means that another traced
 * function has left by a tail call: its slot holds the true one, and one end will be seen for both:
 * that is `tail`, which may jump as `begin` may. Both find the sp of the record in rcx, and the
 * thread in r8, which they keep.
 */
.macro ENTRY name begin record tail
	FUNCTION \name
	SAVE
.Lagain_\name:
	KNOW CALLER, .Lstrange_\name
.ifb \tail
	\begin .Ldone_\name
.else
	movq (%rcx), %rax
	movq %rax, %rdx
	subq rt_clusters(%rip), %rdx
	cmpq rt_clusters+8(%rip), %rdx
	jb .Ltail_\name
	movq %rax, %rdx
	subq rt_clusters+16(%rip), %rdx
	cmpq rt_clusters+24(%rip), %rdx
	jb .Ltail_\name
	movabsq $-RT_SHADOW, %rdx
	movq %rax, (%rcx,%rdx)
	\begin .Lleave_\name
.endif
	\record \name
.Ldone_\name:
	RESTORE
	ret
	END \name

	COLD
	\record\()_SLOW \name
.Lstrange_\name:
	CALL_C rt_look, CALLER, ID, RT_EVENT_CALL
	testl %eax, %eax
	jnz .Lagain_\name
.ifb \tail
	jmp .Ldone_\name
.else
	jmp .Lleave_\name
	\tail\()_SLOW \name\()_tail
.Ltail_\name:
	\tail \name\()_tail, .Lleave_\name
.Lleave_\name: /* for the function's first instructions, with its caller on top of the stack */
	movq STUB(%rsp), %rax
	addq $RT_TO_DISPLACED, %rax
	movq %rax, ID(%rsp)
	RESTORE
	leaq 8(%rsp), %rsp
	.cfi_adjust_cfa_offset -8
	ret
.endif
	COLD_END
.endm

/* After a function: the ID stands where its return address was. */
.macro EXIT name begin record end
	FUNCTION \name
	RETURN_IN_SLOT
	SAVE
.Lagain_\name:
	KNOW EXIT_ID, .Lstrange_\name
	\begin .Ldone_\name
	\record \name
	\end
.Ldone_\name:
	movabsq $-RT_SHADOW, %rdx
	movq EXIT_ID(%rsp,%rdx), %rax
	movq %rax, EXIT_ID(%rsp)
	.cfi_offset %rip, -8 /* not restore, which libgcc takes for "as it was" */
	RESTORE
	ret
	END \name

	COLD
	RETURN_IN_SLOT
	\record\()_SLOW \name
.Lstrange_\name:
	CALL_C rt_look, EXIT_ID, EXIT_ID, RING_EVENT_EXIT
	testl %eax, %eax
	jnz .Lagain_\name
	jmp .Ldone_\name
	COLD_END
.endm

/*
 * --- what is recorded ---
 *
 * Each with what it seldom does, which stands elsewhere (_SLOW), and a tag for both.
 */

.macro RECORD_ENTRY tag
	RECORD \tag, PAYLOAD_ENTRY
.endm
.macro RECORD_ENTRY_SLOW tag
	SLOW \tag, CALLER, ID, RING_EVENT_ENTRY
.endm
.macro RECORD_CALL tag
	RECORD \tag, PAYLOAD_CALL
.endm
.macro RECORD_CALL_SLOW tag
	SLOW \tag, CALLER, ID, RT_EVENT_CALL
.endm
.macro RECORD_EXIT tag
	RECORD \tag, PAYLOAD_EXIT
.endm
.macro RECORD_EXIT_SLOW tag
	SLOW \tag, EXIT_ID, EXIT_ID, RING_EVENT_EXIT
.endm
.macro NOTHING tag otherwise
.endm
.macro NOTHING_SLOW tag
.endm

/* Whether what is asked about is wanted; goes on at .Lunwanted_TAG when not. */
.macro WANTED tag at id type
	CALL_C rt_watch, \at, \id, \type
	testl %eax, %eax
	jz .Lunwanted_\tag
	movq rt_thread@gottpoff(%rip), %r8
.endm
.macro WATCHED_ENTRY tag
	WANTED \tag, CALLER, ID, RING_EVENT_ENTRY
	RECORD_ENTRY \tag
.Lunwanted_\tag:
.endm
.macro WATCHED_ENTRY_SLOW tag
	RECORD_ENTRY_SLOW \tag
.endm
.macro WATCHED_CALL tag
	WANTED \tag, CALLER, ID, RT_EVENT_CALL
	RECORD_CALL \tag
.Lunwanted_\tag:
.endm
.macro WATCHED_CALL_SLOW tag
	RECORD_CALL_SLOW \tag
.endm
.macro WATCHED_EXIT tag
	CALL_C rt_watch_exit, EXIT_ID, EXIT_ID, RING_EVENT_EXIT
	testl %eax, %eax
	jz .Lunwanted_\tag
	movq rt_thread@gottpoff(%rip), %r8
	RECORD_EXIT \tag
.Lunwanted_\tag:
.endm
.macro WATCHED_EXIT_SLOW tag
	RECORD_EXIT_SLOW \tag
.endm

/* --thresh: only when the function began, beside the return address; a record, if it took long. */
.macro NOTE_TIME tag
.Lbegan_\tag:
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	movabsq $-(RT_TIMES * RT_SHADOW), %rdx
	movq %rax, (%rcx,%rdx)
.endm
.macro RECORD_LONG tag
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	movabsq $-(RT_TIMES * RT_SHADOW), %rdx
	subq EXIT_ID(%rsp,%rdx), %rax
	cmpq rt_threshold(%rip), %rax
	jbe .Lshort_\tag
	CALL_C rt_write_long, EXIT_ID, EXIT_ID, 0
	movq rt_thread@gottpoff(%rip), %r8
.Lshort_\tag:
.endm
.macro NOTE_TIME_SLOW tag
.endm
.macro RECORD_LONG_SLOW tag
.endm

/* Histograms: when the function began; its call is counted when it has ended. */
.macro COUNT_CALL tag
	CALL_C rt_hist_ends, EXIT_ID, EXIT_ID, 0
.endm
.macro COUNT_CALL_SLOW tag
.endm
.macro NOTE_TAIL tag otherwise
	CALL_C rt_hist_tail, CALLER, ID, 0
.endm
.macro NOTE_TAIL_SLOW tag
.endm

/* --- which calls --- */

/* All functions; those that a function of -g calls; one of -g, and at its end. */
.macro ALWAYS otherwise
.endm
.macro INSIDE otherwise
	cmpq %fs:RT_ROOT(%r8), %rcx
	jae \otherwise
.endm
.macro ROOT_BEGINS otherwise
	cmpq %fs:RT_ROOT(%r8), %rcx
	jb .Linner_\@
	movq %rcx, %fs:RT_ROOT(%r8)
.Linner_\@:
.endm
.macro ROOT_ENDS
	movq rt_thread@gottpoff(%rip), %r8 /* the record may have been C's */
	leaq EXIT_ID(%rsp), %rcx
	cmpq %fs:RT_ROOT(%r8), %rcx
	jb .Linner_\@
	movq $0, %fs:RT_ROOT(%r8)
.Linner_\@:
.endm

/*
 * --max-graph-depth: what is called below the deepest call that is followed is told by its stack
 * pointer alone, and its end is not seen.
 */
.macro DEPTH otherwise
	movq %rcx, %rax
	subq %fs:RT_DEEP_LOW(%r8), %rax
	cmpq %fs:RT_DEEP_SIZE(%r8), %rax
	jb \otherwise
	CALL_C rt_depth_begins, CALLER, ID, 0
	testl %eax, %eax
	jz \otherwise
	movq rt_thread@gottpoff(%rip), %r8
	leaq CALLER(%rsp), %rcx
.endm
.macro DEPTH_ENDS
	CALL_C rt_depth_ends, EXIT_ID, EXIT_ID, 0
	movq rt_thread@gottpoff(%rip), %r8
.endm
.macro INSIDE_DEPTH otherwise
	INSIDE \otherwise
	DEPTH \otherwise
.endm
.macro ROOT_DEPTH otherwise
	DEPTH \otherwise
	ROOT_BEGINS \otherwise
.endm
.macro ROOT_DEPTH_ENDS
	ROOT_ENDS
	DEPTH_ENDS
.endm
/* A function that is seen at entry only, where it would not be too deep. */
.macro CALL_DEPTH otherwise
	CALL_C rt_depth_allows, CALLER, ID, 0
	testl %eax, %eax
	jz \otherwise
	movq rt_thread@gottpoff(%rip), %r8
.endm
.macro INSIDE_CALL_DEPTH otherwise
	INSIDE \otherwise
	CALL_DEPTH \otherwise
.endm

.macro TAIL tag otherwise
	RECORD \tag, PAYLOAD_TAIL
.endm
.macro TAIL_SLOW tag
	SLOW \tag, CALLER, ID, RING_EVENT_TAIL
.endm
.macro INSIDE_TAIL tag otherwise
	INSIDE \otherwise
	TAIL \tag
.endm
.macro INSIDE_TAIL_SLOW tag
	TAIL_SLOW \tag
.endm
.macro ROOT_TAIL tag otherwise
	ROOT_BEGINS \otherwise
	TAIL \tag
.endm
.macro ROOT_TAIL_SLOW tag
	TAIL_SLOW \tag
.endm

/* The same of functions whose events are asked about. */
.macro WATCHED_TAIL tag otherwise
	WANTED \tag, CALLER, ID, RING_EVENT_TAIL
	TAIL \tag
.Lunwanted_\tag:
.endm
.macro WATCHED_TAIL_SLOW tag
	TAIL_SLOW \tag
.endm
.macro WATCHED_INSIDE_TAIL tag otherwise
	INSIDE \otherwise
	WATCHED_TAIL \tag
.endm
.macro WATCHED_INSIDE_TAIL_SLOW tag
	TAIL_SLOW \tag
.endm
.macro WATCHED_ROOT_TAIL tag otherwise
	ROOT_BEGINS \otherwise
	WATCHED_TAIL \tag
.endm
.macro WATCHED_ROOT_TAIL_SLOW tag
	TAIL_SLOW \tag
.endm

	.text
	ENTRY rt_entry, ALWAYS, RECORD_ENTRY, TAIL
	EXIT rt_exit, ALWAYS, RECORD_EXIT, NOTHING
	ENTRY rt_entry_only, ALWAYS, RECORD_CALL
	ENTRY rt_inside_entry, INSIDE, RECORD_ENTRY, INSIDE_TAIL
	ENTRY rt_inside_entry_only, INSIDE, RECORD_CALL
	ENTRY rt_root_entry, ROOT_BEGINS, RECORD_ENTRY, ROOT_TAIL
	EXIT rt_root_exit, ALWAYS, RECORD_EXIT, ROOT_ENDS

	/* --max-graph-depth */
	ENTRY rt_depth_entry, DEPTH, RECORD_ENTRY, TAIL
	EXIT rt_depth_exit, ALWAYS, RECORD_EXIT, DEPTH_ENDS
	ENTRY rt_depth_entry_only, CALL_DEPTH, RECORD_CALL
	ENTRY rt_inside_depth_entry, INSIDE_DEPTH, RECORD_ENTRY, INSIDE_TAIL
	ENTRY rt_inside_depth_entry_only, INSIDE_CALL_DEPTH, RECORD_CALL
	ENTRY rt_root_depth_entry, ROOT_DEPTH, RECORD_ENTRY, ROOT_TAIL
	EXIT rt_root_depth_exit, ALWAYS, RECORD_EXIT, ROOT_DEPTH_ENDS

	/* events that are asked about */
	ENTRY rt_watched_entry, ALWAYS, WATCHED_ENTRY, WATCHED_TAIL
	EXIT rt_watched_exit, ALWAYS, WATCHED_EXIT, NOTHING
	ENTRY rt_watched_entry_only, ALWAYS, WATCHED_CALL
	ENTRY rt_watched_inside_entry, INSIDE, WATCHED_ENTRY, WATCHED_INSIDE_TAIL
	ENTRY rt_watched_inside_entry_only, INSIDE, WATCHED_CALL
	ENTRY rt_watched_root_entry, ROOT_BEGINS, WATCHED_ENTRY, WATCHED_ROOT_TAIL
	EXIT rt_watched_root_exit, ALWAYS, WATCHED_EXIT, ROOT_ENDS

	/* and --max-graph-depth */
	ENTRY rt_watched_depth_entry, DEPTH, WATCHED_ENTRY, WATCHED_TAIL
	EXIT rt_watched_depth_exit, ALWAYS, WATCHED_EXIT, DEPTH_ENDS
	ENTRY rt_watched_depth_entry_only, CALL_DEPTH, WATCHED_CALL
	ENTRY rt_watched_inside_depth_entry, INSIDE_DEPTH, WATCHED_ENTRY, WATCHED_INSIDE_TAIL
	ENTRY rt_watched_inside_depth_entry_only, INSIDE_CALL_DEPTH, WATCHED_CALL
	ENTRY rt_watched_root_depth_entry, ROOT_DEPTH, WATCHED_ENTRY, WATCHED_ROOT_TAIL
	EXIT rt_watched_root_depth_exit, ALWAYS, WATCHED_EXIT, ROOT_DEPTH_ENDS

	/* --thresh: a function that took another one's place belongs to it */
	ENTRY rt_long_entry, ALWAYS, NOTE_TIME, NOTHING
	EXIT rt_long_exit, ALWAYS, RECORD_LONG, NOTHING
	ENTRY rt_inside_long_entry, INSIDE, NOTE_TIME, NOTHING
	ENTRY rt_root_long_entry, ROOT_BEGINS, NOTE_TIME, NOTHING
	EXIT rt_root_long_exit, ALWAYS, RECORD_LONG, ROOT_ENDS
	ENTRY rt_long_entry_only, ALWAYS, NOTHING

	/* both */
	ENTRY rt_depth_long_entry, DEPTH, NOTE_TIME, NOTHING
	EXIT rt_depth_long_exit, ALWAYS, RECORD_LONG, DEPTH_ENDS
	ENTRY rt_inside_depth_long_entry, INSIDE_DEPTH, NOTE_TIME, NOTHING
	ENTRY rt_root_depth_long_entry, ROOT_DEPTH, NOTE_TIME, NOTHING
	EXIT rt_root_depth_long_exit, ALWAYS, RECORD_LONG, ROOT_DEPTH_ENDS

	/* histograms */
	ENTRY rt_hist_entry, ALWAYS, NOTE_TIME, NOTE_TAIL
	EXIT rt_hist_exit, ALWAYS, COUNT_CALL, NOTHING

/*
 * -p count: one more call of this function on this CPU. The sequence ends in the addition, which is
 * made by nobody else to this CPU's counters, and by one instruction: so a handler that comes before
 * it has not changed what it adds to, and one that comes after it finds it done. An interrupted one
 * is counted elsewhere.
 */
#define COUNT_ID     32 /* above what is saved and the stub's return address */
#define COUNT_CALLER 40

	FUNCTION rt_count
	PUSH %rax
	PUSH %rcx
	PUSH %r8
	KNOW COUNT_CALLER, .Lcount_outside
	movq %fs:RING_THREAD_RSEQ(%r8), %rcx
	testq %rcx, %rcx
	jz .Lcount_outside
	RING_SEQUENCE count
	leaq .Lring_cs_count(%rip), %rax
	movq %rax, RING_RSEQ_CS(%rcx)
.Lring_begin_count:
	movl RING_RSEQ_CPU_ID(%rcx), %eax
	movq rt_session(%rip), %rcx
	cmpl RING_CPUS_ON(%rcx), %eax
	jae .Lcount_outside
	shlq $RING_COUNTERS_SHIFT, %rax
	addq rt_counters(%rip), %rax
	movl COUNT_ID(%rsp), %ecx
	incq (%rax,%rcx,8)
.Lring_end_count:
.Lcounted:
	POP %r8
	POP %rcx
	POP %rax
	ret
	END rt_count

	.pushsection .text.rt_cold, "ax"
	.cfi_startproc
	.cfi_def_cfa_offset COUNT_ID
	RING_ABORT count, .Lcount_outside
.Lcount_outside:
	PUSH %rdx
	PUSH %rsi
	PUSH %rdi
	CALL_C rt_count_outside, 24 + COUNT_CALLER, 24 + COUNT_ID, 0
	POP %rdi
	POP %rsi
	POP %rdx
	jmp .Lcounted
	COLD_END

/*
 * A probe is hit (program/layout.h), in the middle of a function: all registers are kept, flags
 * too. They lie in the order of their numbers (struct rt_registers), above them the flags, the
 * stub's return address and the distance from there to the probe.
 */
#define PROBE_FLAGS    128
#define PROBE_STUB     136
#define PROBE_DISTANCE 144
#define PROBE_RSP      32
#define PROBE_STACK    (PROBE_DISTANCE + 8 + RT_RED_ZONE)

/* All general registers, in the order of their numbers. */
.macro SAVE_NUMBERED
	PUSH %r15
	PUSH %r14
	PUSH %r13
	PUSH %r12
	PUSH %r11
	PUSH %r10
	PUSH %r9
	PUSH %r8
	PUSH %rdi
	PUSH %rsi
	PUSH %rbp
	.cfi_rel_offset %rbp, 0
	PUSH %rsp
	PUSH %rbx
	.cfi_rel_offset %rbx, 0
	PUSH %rdx
	PUSH %rcx
	PUSH %rax
.endm

.macro RESTORE_NUMBERED
	POP %rax
	POP %rcx
	POP %rdx
	POP %rbx
	.cfi_same_value %rbx
	leaq 8(%rsp), %rsp
	.cfi_adjust_cfa_offset -8
	POP %rbp
	.cfi_same_value %rbp
	POP %rsi
	POP %rdi
	POP %r8
	POP %r9
	POP %r10
	POP %r11
	POP %r12
	POP %r13
	POP %r14
	POP %r15
.endm

/* function(registers, probe): stack: the %rsp to be seen; the probe is `distance` behind the stub. */
.macro HIT function stack stub distance
	movq %rsp, %rdi
	leaq \stack(%rsp), %rax
	movq %rax, PROBE_RSP(%rsp)
	movq \stub(%rsp), %rsi
	addq \distance(%rsp), %rsi
	movq %rsp, %rbx
	.cfi_def_cfa_register %rbx
	andq $-16, %rsp
	call \function
	movq %rbx, %rsp
	.cfi_def_cfa_register %rsp
.endm

	FUNCTION rt_probe
	pushfq
	.cfi_adjust_cfa_offset 8
	SAVE_NUMBERED
	cld
	HIT rt_probe_hit, PROBE_STACK, PROBE_STUB, PROBE_DISTANCE
	RESTORE_NUMBERED
	popfq
	.cfi_adjust_cfa_offset -8
	ret
	END rt_probe

/*
 * Before a function whose return is probed (program/layout.h), and when it has returned: as above,
 * but flags are dead.
 */
#define RETURN_STUB	128
#define RETURN_DISTANCE 136 /* the place where the return address was */

	FUNCTION rt_return_entry
	SAVE
	CALL_C rt_return_begins, (STUB + 8), STUB, 0
	testl %eax, %eax
	jnz .Lreturn_seen
	addq $RT_RETURN_TO_DISPLACED, STUB(%rsp)
.Lreturn_seen:
	RESTORE
	ret
	END rt_return_entry

	FUNCTION rt_return
	SAVE_NUMBERED
	HIT rt_return_hit, (RETURN_DISTANCE + 8), RETURN_STUB, RETURN_DISTANCE
	movq %rax, RETURN_DISTANCE(%rsp)
	RESTORE_NUMBERED
	ret
	END rt_return

	.section .note.GNU-stack, "", @progbits
