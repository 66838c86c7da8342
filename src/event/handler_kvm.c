/* SPDX-License-Identifier: MIT */
/* KVM: exit reasons by name, and the state of shadow pages. */
#include "base/mem.h"
#include "event/handler.h"

struct reason {
	const char *name;
	int32_t value;
};

/* Intel: SDM volume 3, appendix C. */
static const struct reason vmx_reasons[] = {
	{"EXCEPTION_NMI", 0},
	{"EXTERNAL_INTERRUPT", 1},
	{"TRIPLE_FAULT", 2},
	{"PENDING_INTERRUPT", 7},
	{"NMI_WINDOW", 8},
	{"TASK_SWITCH", 9},
	{"CPUID", 10},
	{"HLT", 12},
	{"INVD", 13},
	{"INVLPG", 14},
	{"RDPMC", 15},
	{"RDTSC", 16},
	{"VMCALL", 18},
	{"VMCLEAR", 19},
	{"VMLAUNCH", 20},
	{"VMPTRLD", 21},
	{"VMPTRST", 22},
	{"VMREAD", 23},
	{"VMRESUME", 24},
	{"VMWRITE", 25},
	{"VMOFF", 26},
	{"VMON", 27},
	{"CR_ACCESS", 28},
	{"DR_ACCESS", 29},
	{"IO_INSTRUCTION", 30},
	{"MSR_READ", 31},
	{"MSR_WRITE", 32},
	{"MWAIT_INSTRUCTION", 36},
	{"MONITOR_INSTRUCTION", 39},
	{"PAUSE_INSTRUCTION", 40},
	{"MCE_DURING_VMENTRY", 41},
	{"TPR_BELOW_THRESHOLD", 43},
	{"APIC_ACCESS", 44},
	{"EOI_INDUCED", 45},
	{"EPT_VIOLATION", 48},
	{"EPT_MISCONFIG", 49},
	{"INVEPT", 50},
	{"PREEMPTION_TIMER", 52},
	{"WBINVD", 54},
	{"XSETBV", 55},
	{"APIC_WRITE", 56},
	{"INVPCID", 58},
	{"PML_FULL", 62},
	{"XSAVES", 63},
	{"XRSTORS", 64},
};

/* AMD: APM volume 2, appendix C. */
static const struct reason svm_reasons[] = {
	{"EXIT_READ_CR0", 0},
	{"EXIT_READ_CR3", 3},
	{"EXIT_READ_CR4", 4},
	{"EXIT_READ_CR8", 8},
	{"EXIT_WRITE_CR0", 0x10},
	{"EXIT_WRITE_CR3", 0x13},
	{"EXIT_WRITE_CR4", 0x14},
	{"EXIT_WRITE_CR8", 0x18},
	{"EXIT_READ_DR0", 0x20},
	{"EXIT_READ_DR1", 0x21},
	{"EXIT_READ_DR2", 0x22},
	{"EXIT_READ_DR3", 0x23},
	{"EXIT_READ_DR4", 0x24},
	{"EXIT_READ_DR5", 0x25},
	{"EXIT_READ_DR6", 0x26},
	{"EXIT_READ_DR7", 0x27},
	{"EXIT_WRITE_DR0", 0x30},
	{"EXIT_WRITE_DR1", 0x31},
	{"EXIT_WRITE_DR2", 0x32},
	{"EXIT_WRITE_DR3", 0x33},
	{"EXIT_WRITE_DR4", 0x34},
	{"EXIT_WRITE_DR5", 0x35},
	{"EXIT_WRITE_DR6", 0x36},
	{"EXIT_WRITE_DR7", 0x37},
	{"EXIT_EXCP_DE", 0x40},
	{"EXIT_EXCP_DB", 0x41},
	{"EXIT_EXCP_BP", 0x43},
	{"EXIT_EXCP_OF", 0x44},
	{"EXIT_EXCP_BR", 0x45},
	{"EXIT_EXCP_UD", 0x46},
	{"EXIT_EXCP_NM", 0x47},
	{"EXIT_EXCP_DF", 0x48},
	{"EXIT_EXCP_TS", 0x4a},
	{"EXIT_EXCP_NP", 0x4b},
	{"EXIT_EXCP_SS", 0x4c},
	{"EXIT_EXCP_GP", 0x4d},
	{"EXIT_EXCP_PF", 0x4e},
	{"EXIT_EXCP_MF", 0x50},
	{"EXIT_EXCP_AC", 0x51},
	{"EXIT_EXCP_MC", 0x52},
	{"EXIT_EXCP_XF", 0x53},
	{"EXIT_INTR", 0x60},
	{"EXIT_NMI", 0x61},
	{"EXIT_SMI", 0x62},
	{"EXIT_INIT", 0x63},
	{"EXIT_VINTR", 0x64},
	{"EXIT_CR0_SEL_WRITE", 0x65},
	{"EXIT_IDTR_READ", 0x66},
	{"EXIT_GDTR_READ", 0x67},
	{"EXIT_LDTR_READ", 0x68},
	{"EXIT_TR_READ", 0x69},
	{"EXIT_IDTR_WRITE", 0x6a},
	{"EXIT_GDTR_WRITE", 0x6b},
	{"EXIT_LDTR_WRITE", 0x6c},
	{"EXIT_TR_WRITE", 0x6d},
	{"EXIT_RDTSC", 0x6e},
	{"EXIT_RDPMC", 0x6f},
	{"EXIT_PUSHF", 0x70},
	{"EXIT_POPF", 0x71},
	{"EXIT_CPUID", 0x72},
	{"EXIT_RSM", 0x73},
	{"EXIT_IRET", 0x74},
	{"EXIT_SWINT", 0x75},
	{"EXIT_INVD", 0x76},
	{"EXIT_PAUSE", 0x77},
	{"EXIT_HLT", 0x78},
	{"EXIT_INVLPG", 0x79},
	{"EXIT_INVLPGA", 0x7a},
	{"EXIT_IOIO", 0x7b},
	{"EXIT_MSR", 0x7c},
	{"EXIT_TASK_SWITCH", 0x7d},
	{"EXIT_FERR_FREEZE", 0x7e},
	{"EXIT_SHUTDOWN", 0x7f},
	{"EXIT_VMRUN", 0x80},
	{"EXIT_VMMCALL", 0x81},
	{"EXIT_VMLOAD", 0x82},
	{"EXIT_VMSAVE", 0x83},
	{"EXIT_STGI", 0x84},
	{"EXIT_CLGI", 0x85},
	{"EXIT_SKINIT", 0x86},
	{"EXIT_RDTSCP", 0x87},
	{"EXIT_ICEBP", 0x88},
	{"EXIT_WBINVD", 0x89},
	{"EXIT_MONITOR", 0x8a},
	{"EXIT_MWAIT", 0x8b},
	{"EXIT_MWAIT_COND", 0x8c},
	{"EXIT_XSETBV", 0x8d},
	{"EXIT_NPF", 0x400},
	{"EXIT_AVIC_INCOMPLETE_IPI", 0x401},
	{"EXIT_AVIC_UNACCELERATED_ACCESS", 0x402},
	{"EXIT_ERR", -1},
};

enum {
	ISA_VMX = 1,
	ISA_SVM = 2
};

static const char *reason_name(uint64_t isa, uint64_t value)
{
	const struct reason *reasons = isa == ISA_VMX ? vmx_reasons : svm_reasons;
	size_t nr = isa == ISA_VMX ? ARRAY_SIZE(vmx_reasons) : ARRAY_SIZE(svm_reasons);

	if (isa != ISA_VMX && isa != ISA_SVM)
		return "UNKNOWN-ISA";
	for (size_t i = 0; i < nr; i++)
		if (reasons[i].value == (int32_t)value)
			return reasons[i].name;
	return NULL;
}

/* ` name` and a number field in hexadecimal, or that there is none. */
static void print_hex_field(const struct rec *rec, unsigned int i, const char *name,
			    struct out *out)
{
	uint64_t value;

	if (handler_value(rec, i, false, &value, out)) {
		out_str(out, name);
		out_hex(out, value);
	} else {
		out_lit(out, "CAN'T FIND FIELD \"");
		out_str(out, rec->event->handler->fields[i]);
		out_char(out, '"');
	}
}

/* Field 0 is the reason, field 1 the instruction set. */
enum {
	EXIT_REASON,
	EXIT_ISA,
	EXIT_RIP,
	EXIT_INFO1,
	EXIT_INFO2
};

static bool print_reason(const struct rec *rec, struct out *out)
{
	uint64_t value, isa;
	const char *name;

	if (!handler_value(rec, EXIT_REASON, true, &value, out))
		return false;
	if (!handler_value(rec, EXIT_ISA, false, &isa, out))
		isa = ISA_VMX;
	name = reason_name((uint32_t)isa, value);
	if (name) {
		out_lit(out, "reason ");
		out_str(out, name);
	} else {
		out_lit(out, "reason UNKNOWN (");
		out_u64(out, value);
		out_char(out, ')');
	}
	return true;
}

static bool exit_print(const struct rec *rec, struct out *out)
{
	uint64_t rip, info1, info2;

	if (!print_reason(rec, out) || !handler_value(rec, EXIT_RIP, true, &rip, out))
		return true;
	out_lit(out, " rip ");
	out_0x(out, rip);
	if (handler_value(rec, EXIT_INFO1, false, &info1, out) &&
	    handler_value(rec, EXIT_INFO2, false, &info2, out)) {
		out_lit(out, " info ");
		out_hex(out, info1);
		out_char(out, ' ');
		out_hex(out, info2);
	}
	return false;
}

enum {
	ENTRY_VCPU,
	ENTRY_RIP
};

static bool entry_print(const struct rec *rec, struct out *out)
{
	uint64_t vcpu, rip;

	if (handler_value(rec, ENTRY_VCPU, false, &vcpu, out)) {
		out_lit(out, " vcpu ");
		out_u64(out, (uint32_t)vcpu);
	} else {
		out_lit(out, "CAN'T FIND FIELD \"vcpu_id\"");
	}
	if (!handler_value(rec, ENTRY_RIP, true, &rip, out))
		return true;
	out_lit(out, " rip ");
	out_0x(out, rip);
	return false;
}

enum {
	INSN_RIP,
	INSN_CSBASE,
	INSN_LEN,
	INSN_FLAGS,
	INSN_FAILED,
	INSN_BYTES,
	INSN_NR = INSN_BYTES
};

static bool insn_print(const struct rec *rec, struct out *out)
{
	const struct event_field *field = handler_field(rec, INSN_BYTES);
	uint64_t values[INSN_NR];
	uint32_t offset, len;

	for (unsigned int i = 0; i < INSN_NR; i++)
		if (!handler_value(rec, i, true, &values[i], out))
			return true;
	if (!field) {
		out_lit(out, "<CANT FIND FIELD insn>");
		return true;
	}
	out_hex(out, values[INSN_CSBASE]);
	out_char(out, ':');
	out_hex(out, values[INSN_RIP]);
	out_lit(out, ": ");
	offset = MIN(field->offset, rec->len);
	len = (uint32_t)MIN(values[INSN_LEN], rec->len - offset);
	for (uint32_t i = 0; i < len; i++) {
		if (i)
			out_char(out, ' ');
		out_hex_byte(out, rec->data[offset + i]);
	}
	if (values[INSN_FAILED])
		out_lit(out, " FAIL");
	return false;
}

enum {
	NESTED_REASON,
	NESTED_ISA,
	NESTED_INFO1,
	NESTED_INFO2,
	NESTED_INT,
	NESTED_INT_ERR,
	NESTED_RIP
};

static bool nested_inject_print(const struct rec *rec, struct out *out)
{
	if (!print_reason(rec, out))
		return true;
	print_hex_field(rec, NESTED_INFO1, " info1 ", out);
	print_hex_field(rec, NESTED_INFO2, " info2 ", out);
	print_hex_field(rec, NESTED_INT, " int_info ", out);
	print_hex_field(rec, NESTED_INT_ERR, " int_info_err ", out);
	return false;
}

static bool nested_print(const struct rec *rec, struct out *out)
{
	uint64_t rip;

	if (!handler_value(rec, NESTED_RIP, true, &rip, out))
		return true;
	out_lit(out, " rip ");
	out_hex(out, rip);
	return nested_inject_print(rec, out);
}

/* Bits of kvm_mmu_page_role as they were when trace-cmd learned them. */
enum {
	PAGE_ROLE,
	PAGE_ROOT_COUNT,
	PAGE_UNSYNC,
	PAGE_CREATED,
	PAGE_GFN
};

static void print_role(uint32_t role, struct out *out)
{
	static const char *const access[] = {"---", "--x", "w--", "w-x",
					     "-u-", "-ux", "wu-", "wux"};

	out_u64(out, role & 15);
	out_lit(out, " q");
	out_u64(out, role >> 5 & 3);
	out_str(out, role >> 7 & 1 ? " direct" : "");
	out_char(out, ' ');
	out_str(out, access[role >> 8 & 7]);
	out_str(out, role >> 11 & 1 ? " invalid " : " ");
	out_str(out, role >> 4 & 1 ? "pae " : "!pae ");
	out_str(out, role >> 12 & 1 ? "nxe " : "!nxe ");
	out_str(out, role >> 13 & 1 ? "wp" : "!wp");
	out_str(out, role >> 14 & 1 ? " smep" : "");
	out_str(out, role >> 15 & 1 ? " smap" : "");
	out_str(out, role >> 24 ? " smm" : "");
}

static bool page_print(const struct rec *rec, struct out *out)
{
	uint64_t role, count, unsync;

	if (!handler_value(rec, PAGE_ROLE, true, &role, out))
		return true;
	if (rec->big == HOST_BIG) {
		print_role((uint32_t)role, out);
	} else {
		out_lit(out, "WORD: ");
		out_hex_pad(out, (uint32_t)role, 8, '0');
	}
	if (handler_value(rec, PAGE_ROOT_COUNT, false, &count, out)) {
		out_lit(out, " root ");
		out_u64(out, (uint32_t)count);
		out_char(out, ' ');
	} else {
		out_lit(out, "CAN'T FIND FIELD \"root_count\"");
	}
	if (!handler_value(rec, PAGE_UNSYNC, true, &unsync, out))
		return true;
	out_str(out, unsync ? "unsync" : "sync");
	return false;
}

static bool get_page_print(const struct rec *rec, struct out *out)
{
	uint64_t created, gfn;

	if (!handler_value(rec, PAGE_CREATED, true, &created, out))
		return true;
	out_str(out, created ? "new " : "existing ");
	if (!handler_value(rec, PAGE_GFN, true, &gfn, out))
		return true;
	out_lit(out, "sp gfn ");
	out_hex(out, gfn);
	out_char(out, ' ');
	return page_print(rec, out);
}

#define NESTED_FIELDS                                                                              \
	{                                                                                          \
		"exit_code", "isa", "exit_info1", "exit_info2", "exit_int_info",                   \
			"exit_int_info_err", "rip"                                                 \
	}
#define PAGE_FIELDS                                                                                \
	{                                                                                          \
		"role", "root_count", "unsync", "created", "gfn"                                   \
	}

const struct handler handlers_kvm[] = {
	{"kvm",
	 "kvm_exit",
	 exit_print,
	 {"exit_reason", "isa", "guest_rip", "info1", "info2"},
	 EVENT_PLAIN},
	{"kvm", "kvm_entry", entry_print, {"vcpu_id", "rip"}, EVENT_PLAIN},
	{"kvm",
	 "kvm_emulate_insn",
	 insn_print,
	 {"rip", "csbase", "len", "flags", "failed", "insn"},
	 EVENT_PLAIN},
	{"kvm", "kvm_nested_vmexit", nested_print, NESTED_FIELDS, EVENT_PLAIN},
	{"kvm", "kvm_nested_vmexit_inject", nested_inject_print, NESTED_FIELDS, EVENT_PLAIN},
	{"kvmmmu", "kvm_mmu_get_page", get_page_print, PAGE_FIELDS, EVENT_PLAIN},
	{"kvmmmu", "kvm_mmu_sync_page", page_print, PAGE_FIELDS, EVENT_PLAIN},
	{"kvmmmu", "kvm_mmu_unsync_page", page_print, PAGE_FIELDS, EVENT_PLAIN},
	{"kvmmmu", "kvm_mmu_zap_page", page_print, PAGE_FIELDS, EVENT_PLAIN},
	{"kvmmmu", "kvm_mmu_prepare_zap_page", page_print, PAGE_FIELDS, EVENT_PLAIN},
	{0},
};
