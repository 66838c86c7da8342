/* SPDX-License-Identifier: MIT */
/* Functions of kernel modules that stand in print fmts, as trace-cmd's plugins know them. */
#include <string.h>

#include "base/mem.h"
#include "event/internal.h"

/* `len` bytes at an address that __get_dynamic_array gave; NULL when they are not in the record. */
static const uint8_t *record_bytes(const struct rec *rec, uint64_t addr, uint64_t len)
{
	uint64_t start = (uint64_t)(uintptr_t)rec->data;

	if (addr < start || addr - start > rec->len || len > rec->len - (addr - start))
		return NULL;
	return rec->data + (addr - start);
}

/* --- jbd2 --- */

static void dev_name_print(const struct rec *rec, const uint64_t *args, struct out *out)
{
	uint32_t dev = (uint32_t)args[0];

	(void)rec;
	out_u64(out, dev >> 20);
	out_char(out, ':');
	out_u64(out, dev & 0xfffff);
}

static void jiffies_print(const struct rec *rec, const uint64_t *args, struct out *out)
{
	(void)rec;
	out_i64(out, (int64_t)args[0]);
}

static uint64_t jiffies_value(const struct rec *rec, const uint64_t *args)
{
	(void)rec;
	return args[0];
}

/* --- ras --- */

static void error_type_print(const struct rec *rec, const uint64_t *args, struct out *out)
{
	static const char *const types[] = {"Corrected", "Uncorrected", "Deferred", "Fatal"};

	(void)rec;
	out_str(out, args[0] < ARRAY_SIZE(types) ? types[args[0]] : "Info");
}

/* --- kvm --- */

static uint64_t writable_pte_value(const struct rec *rec, const uint64_t *args)
{
	(void)rec;
	return args[0] & 2;
}

/* --- cfg80211 --- */

static uint64_t le16_value(const struct rec *rec, const uint64_t *args)
{
	const uint8_t *bytes = record_bytes(rec, args[0], 2);

	return bytes ? load_u16(bytes, false) : 0;
}

/* --- xen --- */

static void hypercall_print(const struct rec *rec, const uint64_t *args, struct out *out)
{
	static const char *const names[] = {"(set_trap_table)",
					    "(mmu_update)",
					    "(set_gdt)",
					    "(stack_switch)",
					    "(set_callbacks)",
					    "(fpu_taskswitch)",
					    "(sched_op_compat)",
					    "(dom0_op)",
					    "(set_debugreg)",
					    "(get_debugreg)",
					    "(update_descriptor)",
					    NULL,
					    "(memory_op)",
					    "(multicall)",
					    "(update_va_mapping)",
					    "(set_timer_op)",
					    "(event_channel_op_compat)",
					    "(xen_version)",
					    "(console_io)",
					    "(physdev_op_compat)",
					    "(grant_table_op)",
					    "(vm_assist)",
					    "(update_va_mapping_otherdomain)",
					    "(iret)",
					    "(vcpu_op)",
					    "(set_segment_base)",
					    "(mmuext_op)",
					    "(acm_op)",
					    "(nmi_op)",
					    "(sched_op)",
					    "(callback_op)",
					    "(xenoprof_op)",
					    "(event_channel_op)",
					    "(physdev_op)",
					    "(hvm_op)",
					    [48] = "(arch_0)",
					    "(arch_1)",
					    "(arch_2)",
					    "(arch_3)",
					    "(arch_4)",
					    "(arch_5)",
					    "(arch_6)",
					    "(arch_7)"};
	uint32_t op = (uint32_t)args[0];

	(void)rec;
	if (op < ARRAY_SIZE(names) && names[op])
		out_str(out, names[op]);
}

/* --- scsi: a command descriptor block --- */

enum {
	CDB_READ_6 = 0x08,
	CDB_WRITE_6 = 0x0a,
	CDB_READ_10 = 0x28,
	CDB_WRITE_10 = 0x2a,
	CDB_VERIFY_10 = 0x2f,
	CDB_WRITE_SAME_10 = 0x41,
	CDB_UNMAP = 0x42,
	CDB_VARIABLE = 0x7f,
	CDB_READ_16 = 0x88,
	CDB_WRITE_16 = 0x8a,
	CDB_VERIFY_16 = 0x8f,
	CDB_WRITE_SAME_16 = 0x93,
	CDB_SERVICE_IN_16 = 0x9e,
	CDB_READ_12 = 0xa8,
	CDB_WRITE_12 = 0xaa,
	CDB_VERIFY_12 = 0xaf,
	CDB_READ_32 = 0x09,
	CDB_VERIFY_32 = 0x0a,
	CDB_WRITE_32 = 0x0b,
	CDB_WRITE_SAME_32 = 0x0d,
	CDB_READ_CAPACITY = 0x10,
	CDB_LBA_STATUS = 0x12,
	CDB_MAX_BYTES = 32,
};

static void print_number(struct out *out, const char *name, uint64_t value)
{
	out_str(out, name);
	out_u64(out, value);
}

/* A 32-bit big-endian number, sign-extended as the plugin's shifts do. */
static uint64_t shifted(const uint8_t *bytes)
{
	return (uint64_t)(int64_t)(int32_t)load_u32(bytes, true);
}

static void print_transfer(struct out *out, uint64_t lba, uint64_t len, uint8_t protect)
{
	print_number(out, "lba=", lba);
	print_number(out, " txlen=", len);
	print_number(out, " protect=", protect >> 5);
}

static void print_unmap_bit(struct out *out, uint8_t flags)
{
	print_number(out, " unmap=", flags >> 3 & 1);
}

static void print_cdb_32(const uint8_t *cdb, struct out *out)
{
	unsigned int action = (unsigned int)cdb[8] << 8 | cdb[9];
	const char *name = action == CDB_READ_32	 ? "READ"
			   : action == CDB_VERIFY_32	 ? "VERIFY"
			   : action == CDB_WRITE_32	 ? "WRITE"
			   : action == CDB_WRITE_SAME_32 ? "WRITE_SAME"
							 : NULL;

	if (!name) {
		out_char(out, '-');
		return;
	}
	out_str(out, name);
	out_lit(out, "_32 ");
	print_transfer(out, load_u64(cdb + 12, true) | shifted(cdb + 16), shifted(cdb + 28),
		       cdb[10]);
	print_number(out, " ei_lbrt=", load_u32(cdb + 20, true));
	if (action == CDB_WRITE_SAME_32)
		print_unmap_bit(out, cdb[10]);
}

static void print_service_in(const uint8_t *cdb, struct out *out)
{
	unsigned int action = cdb[1] & 0x1f;

	if (action != CDB_READ_CAPACITY && action != CDB_LBA_STATUS) {
		out_lit(out, "UNKNOWN");
		return;
	}
	out_str(out, action == CDB_READ_CAPACITY ? "READ_CAPACITY_16" : "GET_LBA_STATUS");
	print_number(out, " lba=", load_u64(cdb + 2, true) | shifted(cdb + 6));
	print_number(out, " alloc_len=", load_u32(cdb + 10, true));
}

static void print_cdb(const uint8_t *cdb, struct out *out)
{
	switch (cdb[0]) {
	case CDB_READ_6:
	case CDB_WRITE_6:
		print_number(out, "lba=", (cdb[1] & 0x1fu) << 16 | load_u16(cdb + 2, true));
		print_number(out, " txlen=", cdb[4]);
		break;
	case CDB_READ_10:
	case CDB_VERIFY_10:
	case CDB_WRITE_10:
	case CDB_WRITE_SAME_10:
		print_transfer(out, shifted(cdb + 2), load_u16(cdb + 7, true), cdb[1]);
		if (cdb[0] == CDB_WRITE_SAME_10)
			print_unmap_bit(out, cdb[1]);
		break;
	case CDB_READ_12:
	case CDB_VERIFY_12:
	case CDB_WRITE_12:
		print_transfer(out, shifted(cdb + 2), shifted(cdb + 6), cdb[1]);
		break;
	case CDB_READ_16:
	case CDB_VERIFY_16:
	case CDB_WRITE_16:
	case CDB_WRITE_SAME_16:
		print_transfer(out, load_u64(cdb + 2, true) | shifted(cdb + 6), shifted(cdb + 10),
			       cdb[1]);
		if (cdb[0] == CDB_WRITE_SAME_16)
			print_unmap_bit(out, cdb[1]);
		break;
	case CDB_UNMAP:
		print_number(out, "regions=", (load_u16(cdb + 7, true) - 8u) / 16);
		break;
	case CDB_SERVICE_IN_16:
		print_service_in(cdb, out);
		break;
	case CDB_VARIABLE:
		print_cdb_32(cdb, out);
		break;
	default:
		out_char(out, '-');
		break;
	}
}

static void cdb_print(const struct rec *rec, const uint64_t *args, struct out *out)
{
	uint8_t cdb[CDB_MAX_BYTES] = {0};
	const uint8_t *bytes = record_bytes(rec, args[1], 1);

	if (!bytes)
		return;
	memcpy(cdb, bytes, MIN((size_t)(rec->data + rec->len - bytes), sizeof(cdb)));
	print_cdb(cdb, out);
}

const struct helper *helper_find(struct span name)
{
	static const struct helper helpers[] = {
		{"jbd2_dev_to_name", 1, dev_name_print, NULL},
		{"jiffies_to_msecs", 1, jiffies_print, jiffies_value},
		{"is_writable_pte", 1, NULL, writable_pte_value},
		{"__le16_to_cpup", 1, NULL, le16_value},
		{"xen_hypercall_name", 1, hypercall_print, NULL},
		{"scsi_trace_parse_cdb", 3, cdb_print, NULL},
		{"mc_event_error_type", 1, error_type_print, NULL, .newer = true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++)
		if (span_is(name, helpers[i].name))
			return &helpers[i];
	return NULL;
}
