/* SPDX-License-Identifier: MIT */
/* The fields that every event begins with, as the kernel describes them. */
#ifndef SONDE_PROGRAM_COMMON_FIELDS_H
#define SONDE_PROGRAM_COMMON_FIELDS_H

#define PROGRAM_COMMON_FIELDS                                                                      \
	"format:\n"                                                                                \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"             \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"                                 \
	"\n"
#define PROGRAM_COMMON_BYTES 8u

#endif
