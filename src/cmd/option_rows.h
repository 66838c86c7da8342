/* SPDX-License-Identifier: MIT */
/* Short forms for long option tables, one row a line. For the .c files that hold such a table. */
#ifndef SONDE_CMD_OPTION_ROWS_H
#define SONDE_CMD_OPTION_ROWS_H

#include "cmd/cmd.h"

#define ROW(id, letter, name, arg, arg_name, help)                                                 \
	{                                                                                          \
		id, letter, name, arg, arg_name, help, NULL                                        \
	}
/* The first row below a heading. */
#define GROUP(id, letter, name, arg, arg_name, help, group)                                        \
	{                                                                                          \
		id, letter, name, arg, arg_name, help, group                                       \
	}
#define NONE CMD_ARG_NONE
#define ARG  CMD_ARG_REQUIRED

#endif
