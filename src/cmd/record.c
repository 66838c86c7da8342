/* SPDX-License-Identifier: MIT */
/* `sonde record`: trace-cmd's options, read into a record_plan. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/profile_words.h"
#include "cmd/record_args.h"
#include "cmd/record_program.h"
#include "tracedat/dat.h"

static const struct cmd_option record_options[] = {
	RECORD_OPTIONS_WHAT RECORD_OPTIONS_FUNCTIONS RECORD_OPTIONS_PROGRAM RECORD_OPTIONS_WHOM
		RECORD_OPTIONS_OWN RECORD_OPTIONS_PROFILE RECORD_OPTIONS_HOW RECORD_OPTIONS_READ
			RECORD_OPTIONS_KEEP RECORD_OPTIONS_OUTPUT RECORD_OPTIONS_QUIET
				RECORD_OPTIONS_ELSEWHERE{0},
};

static const struct record_cpu *find_cpu(const struct record_result *result, const char *instance,
					 uint32_t cpu)
{
	for (size_t i = 0; i < result->nr_cpus; i++) {
		if (result->cpus[i].cpu == cpu && !strcmp(result->cpus[i].instance, instance))
			return &result->cpus[i];
	}
	return NULL;
}

/* Where each CPU's data lies in the file. */
void record_print_places(const struct command *command, const char *output,
			 const struct record_result *result)
{
	struct dat *dat = NULL;
	struct err err;

	if (dat_open(&dat, output, &err) < 0) {
		cmd_warn(command, "%s", err.text);
		return;
	}
	for (size_t b = 0; b < dat->nr_buffers; b++) {
		const struct dat_buffer *buffer = &dat->buffers[b];

		for (uint32_t i = 0; i < buffer->nr_cpus; i++) {
			const struct dat_cpu *cpu = &buffer->cpus[i];
			const struct record_cpu *counts = find_cpu(result, buffer->name, cpu->cpu);

			if (!cpu->size)
				continue;
			fprintf(stderr, "CPU%u data recorded at offset=0x%llx\n", cpu->cpu,
				(unsigned long long)cpu->offset);
			fprintf(stderr, "    %llu bytes in size", (unsigned long long)cpu->size);
			if (buffer->compressed && counts && counts->bytes)
				fprintf(stderr, " (%llu uncompressed)",
					(unsigned long long)counts->bytes);
			fputc('\n', stderr);
		}
	}
	dat_close(dat);
}

/* read + left + lost = written, for every CPU that has lost something. */
static void print_loss_table(const struct record_result *result)
{
	fprintf(stderr, "%5s %12s %12s %12s %12s %12s\n", "CPU", "written", "read", "overrun",
		"commit", "dropped");
	for (size_t i = 0; i < result->nr_cpus; i++) {
		const struct record_cpu *cpu = &result->cpus[i];
		unsigned long long written = cpu->events;

		if (!cpu->lost)
			continue;
		written += cpu->left + cpu->lost;
		fprintf(stderr, "%5u %12llu %12llu %12llu %12llu %12llu", cpu->cpu, written,
			(unsigned long long)cpu->events, (unsigned long long)cpu->overrun,
			(unsigned long long)cpu->commit_overrun, (unsigned long long)cpu->dropped);
		if (cpu->left)
			fprintf(stderr, "  %llu never read", (unsigned long long)cpu->left);
		fprintf(stderr, "%s%s\n", cpu->instance[0] ? "  " : "", cpu->instance);
	}
}

/* Losses are an error message: they are said also with -q. */
void record_print_losses(const struct record_args *args, const struct record_result *result)
{
	unsigned long long written = result->events + result->lost, lost = result->lost;

	for (size_t i = 0; i < result->nr_cpus; i++) {
		const struct record_cpu *cpu = &result->cpus[i];

		if (!cpu->lost)
			continue;
		fprintf(stderr, "CPU %u: %llu events lost", cpu->cpu,
			(unsigned long long)cpu->lost);
		if (cpu->instance[0])
			fprintf(stderr, " (instance %s)", cpu->instance);
		fputc('\n', stderr);
	}
	print_loss_table(result);
	if (result->needed_kb)
		cmd_warn(args->command,
			 "%llu of %llu events were lost: the buffers ran full; -b %llu would have "
			 "held them, fewer events help as well",
			 lost, written, (unsigned long long)result->needed_kb);
	else
		cmd_warn(args->command,
			 "%llu of %llu events were lost: the buffers ran full; larger ones (-b KB) "
			 "or fewer events help",
			 lost, written);
}

/* Of a recording that has failed: what the file should have and has not. */
void record_print_unsaved(const struct command *command, const struct record_result *result)
{
	unsigned long long all = 0, let_go = 0;

	if (!result->unsaved)
		return;

	for (size_t i = 0; i < result->nr_cpus; i++) {
		const struct record_cpu *cpu = &result->cpus[i];
		unsigned long long written = cpu->events, unsaved = cpu->unsaved;

		written += cpu->left;
		all += written;
		let_go += cpu->let_go;
		if (unsaved)
			fprintf(stderr, "CPU %u: %llu of %llu events could not be stored%s%s\n",
				cpu->cpu, unsaved, written, cpu->instance[0] ? "  " : "",
				cpu->instance);
	}
	cmd_warn(command, "%llu of %llu events are not in what was recorded",
		 (unsigned long long)result->unsaved, all);
	if (let_go)
		cmd_warn(command, "%llu older ones had made room for newer ones before (-m)",
			 let_go);
}

static int finish(const struct record_args *args, const struct record_result *result,
		  const struct err *err, int r)
{
	int status;

	if (r < 0 && !result->error_said)
		cmd_fail(args->command, err);
	if (r < 0 && result->unknown_events)
		record_args_suggest_event(args, result->unknown_events);
	if (result->sealed && !args->quiet)
		record_print_places(args->command, args->plan.output, result);
	record_print_unsaved(args->command, result);
	status = record_print_hists(args, result);
	if (result->lost) {
		record_print_losses(args, result);
		status = CMD_LOSSES;
	}
	if (result->command_status > 0)
		return result->command_status;
	return r < 0 ? CMD_FAILED : status;
}

/* The command line with what --profile and -H stand for, in front of what was given. */
static int profile_words(const struct record_args *args, int argc, char **argv,
			 struct profile_command *out, struct err *err)
{
	const struct record_instance *top = args->plan.instances[0];
	const struct profile_wanted wanted = {
		.command = args->command,
		.quiet = args->quiet,
		.functions = args->profile && !args->only_given && !top->tracer,
		.tasks = args->profile && !args->only_given,
		.functions_given = top->functions.nr > 0,
		.graph_given = top->graph_functions.nr > 0,
		.depth_given = args->plan.has_max_graph_depth,
		.hooks = args->plan.hooks.items,
		.nr_hooks = args->plan.hooks.nr,
	};
	int r = words_push(&out->words, argv[0]);

	if (r == 0)
		r = profile_words_make(&wanted, out, err);
	for (int i = 1; i < argc && r == 0; i++)
		r = words_push(&out->words, argv[i]);
	return r == -ENOMEM ? err_set(err, r, "out of memory") : r;
}

static int parse(struct record_args *args, int argc, char **argv, struct profile_command *words)
{
	const struct command *command = args->command;
	struct err err;

	if (!record_args_parse(args, argc, argv))
		return CMD_USAGE;
	if (!record_args_to_expand(args))
		return CMD_OK;
	if (profile_words(args, argc, argv, words, &err) < 0)
		return cmd_fail(command, &err);
	record_args_done(args);
	record_args_init(args, command);
	args->expanded = true;
	return record_args_parse(args, (int)words->words.nr, (char **)(uintptr_t)words->words.words)
		       ? CMD_OK
		       : CMD_USAGE;
}

static int carry_out(struct record_args *args)
{
	struct record_result result;
	struct err err = {0};
	int r, status;

	if (args->daemonize && !cmd_daemon_begin(&args->daemon, args->command, &status))
		return status;
	r = record_args_run(args, &result, &err);
	status = finish(args, &result, &err, r);
	cmd_daemon_end(&args->daemon);
	record_result_done(&result);
	return status;
}

static int run_record(const struct command *command, int argc, char **argv)
{
	struct profile_command words = {0};
	struct record_args args;
	int status;

	record_args_init(&args, command);
	status = parse(&args, argc, argv, &words);
	if (status == CMD_OK)
		status = carry_out(&args);
	record_args_done(&args);
	profile_words_done(&words);
	return status;
}

const struct command cmd_record = {
	.name = "record",
	.group = "record",
	.summary = "record the kernel's events, or a program's functions, into a trace.dat",
	.synopsis = "[OPTIONS] -e EVENT... [COMMAND [ARGS]]",
	.description =
		"Records what the kernel does while COMMAND runs, or without one until Ctrl-C, "
		"into "
		"a trace.dat that `sonde report` (and trace-cmd) shows. Tracing happens in an "
		"instance of its own: nothing else on the machine is disturbed, and the instance "
		"is "
		"gone afterwards.\n"
		"\n"
		"  sonde record -e sched -e syscalls ls\n"
		"  sonde record -e sched_switch -f 'prev_prio < 100' sleep 1\n"
		"  sonde record -e 'block:*' -o disk.dat -b 8192\n"
		"\n"
		"An event may also be a probe that exists for this recording only, in the kernel's "
		"own "
		"notation (p, r: kprobe or uprobe; e: eprobe; f: fprobe; t: tracepoint probe). A "
		"function in a program or library is found by its name:\n"
		"\n"
		"  sonde record -e 'p:open do_sys_openat2 file=+0($arg2):ustring' ls\n"
		"  sonde record -e 'r:/bin/bash:readline +0($retval):string' bash\n"
		"  sonde record -e 'p:ssl libssl.so.3:SSL_write n=%dx' -f 'n > 100' curl ...\n"
		"\n"
		"The options and their letters are trace-cmd's. The exit status is the command's "
		"own "
		"when that is not 0 (128 + N when signal N ended it); 3 when the file is complete "
		"but the kernel lost events.\n"
		"\n"
		"-p takes the kernel's tracers. hwlat, osnoise and timerlat work in every kernel: "
		"where they were not built in, sonde measures in user space, says so, and records "
		"the same events; a count that cannot be had there is 4294967295. Their settings "
		"are -O NAME=VALUE: hwlat_window, hwlat_width, hwlat_mode, tracing_thresh, "
		"osnoise_period_us, osnoise_runtime_us, osnoise_cpus, osnoise_stop_tracing_us, "
		"osnoise_stop_tracing_total_us, timerlat_period_us.\n"
		"\n"
		"  sonde record -p hwlat -O tracing_thresh=20 sleep 60\n"
		"  sonde record -p timerlat -O timerlat_period_us=500 -e irq ./load\n"
		"\n"
		"A trigger (-R) that the kernel lacks (traceon, traceoff, enable_event, "
		"disable_event) is carried out by sonde, a little after its event. snapshot copies "
		"what has been recorded to OUTPUT.snapshot.dat. What hist triggers have counted is "
		"printed in the end; where the kernel has none, it is counted from the recording.\n"
		"\n"
		"  sonde record -e sched -R 'snapshot:1 if prev_prio < 50' ./load\n"
		"\n"
		"--profile records what a profile of tasks and of the kernel's entries is made "
		"of:\n"
		"\n"
		"  sonde record --profile make; sonde report --profile; sonde profile -i "
		"trace.dat\n"
		"\n"
		"With --in program, -p function, function_graph and count trace the functions of "
		"COMMAND "
		"itself and of all processes that it starts, stripped or not, without root: those "
		"of the programs and the library functions that they call, or with --libs all. -l, "
		"-n and -g take NAME, NAME@LIBRARY or :mod:LIBRARY, with * and ?, or "
		"/REGULAR EXPRESSION/. Nothing is lost unless --on-full says so; what comes "
		"faster than it can be compressed is compressed when the recording ends. func_tail "
		"is a "
		"function that another one has jumped to as its last act: the func_exit that "
		"follows "
		"ends both. func_call is one whose end is not seen. -p count (which means --in "
		"program) only counts the calls of each function, in 2 to 4 ns each and without "
		"ever losing one: func_count is how many there were on a CPU since the one before, "
		"and sonde profile -i shows their sum. With --thresh func_long is a call that took "
		"longer, recorded when it ended, with the times of both ends. Static programs, "
		"those with "
		"another user's rights (setuid), of 32 bits, with another C library than glibc or "
		"musl, or made with a sanitizer cannot be traced so.\n"
		"\n"
		"-f behind -p is a filter of these events in the kernel's language, asked in the "
		"program before they are recorded: over ip and parent_ip (ip.function == NAME, as "
		"-l takes it), "
		"depth (how many traced calls are around this one), duration (ns, behind -e "
		"func_exit), sp, common_pid, COMM and CPU, "
		"of func_long also calltime and rettime. Behind -e EVENT it is for that event "
		"alone, and -v -e EVENT leaves one out. Each event is asked by itself: of a call "
		"the entry may pass and the return not. Triggers (-R) and function commands (-l "
		"FUNCTION:COMMAND[:COUNT]) are carried out in the program: traceon, traceoff, "
		"stacktrace, snapshot, hist, "
		"enable_event:sonde:EVENT and disable_event:sonde:EVENT, each with `if FILTER`. "
		"When the first that switches tracing is a traceon, tracing is off until then. "
		"hist counts what filters leave out, too, and is printed in the end; its keys and "
		"one value are the fields of filters; what needs more is counted from the "
		"recording. "
		"snapshot: OUTPUT.snapshot.dat has all that was recorded up to this event; with "
		"--on-full overwrite that is what led to it, and the program goes on being "
		"recorded.\n"
		"\n"
		"  sonde record --in program -p function_graph -o git.dat git status\n"
		"  sonde record --in program -p function_graph -f 'depth < 3' git log\n"
		"  sonde record --in program -p function_graph -l 'fail:traceoff:1' ./server\n"
		"  sonde record --in program -p function_graph -l 'fail:snapshot' ./server\n"
		"  sonde record --in program -p function_graph -e func_exit "
		"-R 'hist:keys=ip.sym:vals=duration' ./server\n"
		"  sonde record --in program -p function_graph --thresh 1ms ./server\n"
		"  sonde record -p count --libs make; sonde profile -i trace.dat\n"
		"  sonde record --in program -p function -l 'SSL_*@libssl' curl ...\n"
		"\n"
		"-e usdt:PROVIDER:NAME (with * and ?, or usdt:FILE:PROVIDER:NAME) records USDT "
		"probes inside COMMAND and what it starts, without root and without the kernel's "
		"uprobes; alone, or beside -p. sonde list --usdt FILE says which there are. Their "
		"events are sdt_PROVIDER:NAME with __probe_ip and arg1, arg2, ...; with --in "
		"program that may be written for -e, too. So may probes of one's own, in the "
		"kernel's notation: p:[GROUP/]NAME FILE:FUNCTION[+OFFSET] and arguments: "
		"%REGISTER, $argN (at a function's entry), $stack, $stackN, +OFFSET(...), "
		"\\NUMBER, of the types u8 to u64, s8 to s64, x8 to x64, string; with r: in place "
		"of p: (and no +OFFSET) where the function has returned, $retval being what it "
		"returned. -f and -R behind such an -e are about its own events; triggers name "
		"them as enable_event:sdt_PROVIDER:NAME.\n"
		"\n"
		"  sonde record -e 'usdt:python:*' -R 'traceoff if arg1 == 5' python3 script.py\n"
		"  sonde record -e usdt:python:gc__start -R 'hist:keys=arg1' python3 script.py\n"
		"  sonde record --in program -e 'p:say libc.so.6:puts text=+0($arg1):string' "
		"./hello\n"
		"  sonde record --in program -e 'r:got libc.so.6:read n=$retval:s64' -f 'n < 0' "
		"./server\n"
		"\n"
		"With --in both (and root) the kernel's events beside them are in the same file, "
		"on one "
		"timeline: -p and what chooses functions are the programs', -e and all else the "
		"kernel's; -B NAME and what follows it an instance of the kernel with a tracer of "
		"its "
		"own.\n"
		"\n"
		"  sonde record --in both -p function_graph -e sched -e syscalls -F -c ls; sonde "
		"replay\n"
		"\n"
		"While it records, OUTPUT.partial/ is readable by `sonde report`, also after the "
		"recorder was killed.",
	.options = record_options,
	.needs = CMD_NEEDS_TRACEFS | CMD_NEEDS_ROOT | CMD_NEEDS_NONE_IN_PROGRAM,
	.stop_at_operand = true,
	.run = run_record,
};
