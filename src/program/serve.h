/* SPDX-License-Identifier: MIT */
/*
 * The recorder's side of program/protocol.h: traced processes ask it for the memory of the session
 * and for an image of each of their modules. It works in a thread of its own; images are made once
 * and shared by all processes that have room for them at the same distance.
 */
#ifndef SONDE_PROGRAM_SERVE_H
#define SONDE_PROGRAM_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/out.h"
#include "program/image.h"
#include "program/probes.h"
#include "program/select.h"
#include "program/watcher.h"

struct program_server;

struct program_server_options {
	int session_fd;			 /* borrowed: the memory that processes get */
	struct program_select *select;	 /* borrowed; used by the server's thread alone */
	struct program_watcher *watcher; /* the same; NULL: nothing is asked of events */
	struct program_probes *probes;	 /* the same; NULL: none */
	enum program_mode mode;
	bool roots;	    /* the selection has roots */
	uint32_t max_depth; /* PROGRAM_GRAPH: of calls that are followed; 0: no limit */
	uint64_t threshold; /* the same: what calls are longer than, in units of the clock */
	/* PROGRAM_COUNT: gets the trace address of the function that each counter counts; borrowed,
	 * of RING_COUNTERS_MAX, filled before a process goes on with new modules. */
	uint32_t *counters;
	uid_t uid; /* whose processes are served, beside those of our own */
	/*
	 * Called in the server's thread before a process goes on with new modules, so that their
	 * names are stored before their records can be.
	 */
	void (*names_due)(void *ctx);
	void *ctx;
};

/* Makes the socket and starts the thread. */
int program_server_new(struct program_server **ret_server,
		       const struct program_server_options *options, struct err *err) _must_check_;
/*
 * Hears what has been said so far and serves nobody any more: what is told of it then is all there
 * is. What was planned stays, to be asked about.
 */
void program_server_stop(struct program_server *server);
/* Stops it, too. NULL is legal. */
void program_server_free(struct program_server *server);

/* What goes into the environment of the traced program; valid as long as the server. */
const char *program_server_name(const struct program_server *server);

/* Readable when there are warnings, or names left; until program_server_names_left. */
int program_server_fd(const struct program_server *server);

/*
 * Put names that have come up into `out`, which is empty, as text of kallsyms, sorted by address
 * within each module: some thousands, so that it is to be called again until there are none.
 * Returns 1, 0 when there are no new ones since the last call, or -ENOMEM.
 */
int program_server_names(struct program_server *server, struct out *out) _must_check_;

/*
 * program_probes_next, as the server's thread may be adding events.
 */
bool program_server_event(struct program_server *server, uint16_t base, const char **ret_system,
			  struct out *out);

/*
 * Whether there are names of a process that went away before it had told its last module, and
 * whether that has not been said before: those of others are asked for by names_due.
 */
bool program_server_names_left(struct program_server *server);

/* The next thing to be said about processes or modules that are not traced; false: none. */
bool program_server_warning(struct program_server *server, char *ret_text, size_t size);

struct program_server_counts {
	uint64_t processes; /* that asked, one more for each dlopen of new modules */
	uint64_t modules, images, functions, probes;
};
struct program_server_counts program_server_counts(struct program_server *server);

/* Call for every program that was executed and is not traced, with the reason. When stopped. */
typedef void (*program_untraced_fn)(void *ctx, const char *path, uint64_t times, const char *why);
void program_server_untraced(struct program_server *server, program_untraced_fn untraced,
			     void *ctx);

/*
 * Call for every function that was chosen and is not patched, with the reason; and for every module
 * that could not be (function NULL). After the processes have ended.
 */
typedef void (*program_skipped_fn)(void *ctx, const char *module, const char *function,
				   const char *reason);
void program_server_skipped(struct program_server *server, program_skipped_fn skipped, void *ctx);

#endif
