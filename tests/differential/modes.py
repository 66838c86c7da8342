# SPDX-License-Identifier: MIT
"""The ways of calling report that are compared, and the differences that are trace-cmd's defects."""

import re

# name: (arguments, what the recording must hold for it). CORE is compared on every recording.
CORE = {
    "default": [],
    "latency": ["-l"],
    "raw": ["-R"],
    "ns": ["-t"],
}
MORE = {
    "no-plugins": ["-N"],
    "wakeup": ["-w"],
    "ts-diff": ["--ts-diff"],
    "ns-ts-diff": ["-t", "--ts-diff"],
    "latency-raw": ["-l", "-R"],
    "latency-ns": ["-l", "-t"],
    "raw-no-plugins": ["-R", "-N"],
    "tailprint": ["-O", "fgraph:tailprint"],
    "depth": ["-O", "fgraph:depth"],
    "tailprint-depth": ["-O", "fgraph:tailprint", "-O", "fgraph:depth", "-l"],
    "parent": ["-O", "parent"],
    "no-indent": ["-O", "indent=0"],
    "offset": ["-O", "offset"],
    "parent-offset": ["-O", "parent", "-O", "offset", "-O", "indent=0"],
    "cpu-0": ["--cpu", "0"],
    "cpu-1": ["--cpu", "1"],
    "cpus-0-1": ["--cpu", "0-1"],
    "no-hardirq": ["-I"],
    "no-softirq": ["-S"],
    "no-irq": ["-I", "-S"],
    "raw-sched": ["-r", "sched"],
    "raw-some": ["-r", "sched_.*", "-r", "sys_enter_.*|funcgraph_entry"],
    "ignore-sched": ["-n", "sched_.*", "-n", "function"],
    "no-date": ["--nodate"],
    "raw-ts": ["--raw-ts"],
    "align-ts": ["--align-ts"],
    "ts-offset": ["--ts-offset", "1000000123"],
    "ts2secs": ["--ts2secs", "1000000"],
    "pid-0": ["--pid", "0"],
    "comm": ["--comm", "sh,ls"],
    "quiet": ["-q"],
    "profile": ["--profile"],
    "profile-comm": ["--profile", "--by-comm"],
    "profile-global": ["--profile", "-G"],
    "filter-pid": ["-F", ".*:common_pid != 0"],
    "filter-switch": ["-F", "sched_switch:prev_pid != 0 && next_comm ~ \"s.*\""],
    "filter-not": ["-F", "sched_switch:next_pid == 0", "-v", "-F", "sched_waking:pid > 20"],
    "filter-several": ["-F", "sched_switch:prev_prio < 120", "-F", "sched_wakeup,sched_waking",
                       "-F", "sys_enter_read:fd > 2 || count >= 4096", "-F", "function"],
    "filter-cpu": ["-F", "sched_switch:COMM == \"sh\" || CPU == 1", "-F", "kmalloc:bytes_req >= 512"],
    "filter-test": ["-T", "-F", "sched_switch:prev_prio < 120 && next_comm ~ \"sh\""],
    "functions": ["-f"],
    "printks": ["-P"],
    "endian": ["-e"],
    "page-size": ["-p"],
    "event-names": ["-E"],
    "events": ["--events"],
    "event": ["--event", "sched:.*"],
    "check-events": ["--check-events"],
    "cpus": ["--cpus"],
    "first-event": ["--first-event"],
    "last-event": ["--last-event", "--first-event"],
    "stat": ["--stat"],
    "uname": ["--uname"],
    "version": ["--version"],
    "ts-check": ["--ts-check"],
    "boundary": ["--boundary"],
}
ALL = {**CORE, **MORE}

DROPPED = re.compile(rb"( *\S*: +)?CPU:\d+ \[(-?\d+ )?EVENTS DROPPED\]\n")


def lost_after_extend(_mode, theirs, ours):
    """Sonde tells of a loss that trace-cmd passes over."""
    if ours and DROPPED.fullmatch(ours) and ours != theirs:
        return 0, 1
    return None


# Names are headings in docs/compat.md. Each gets the mode and the two lines that differ (None at the
# end), and returns how many lines to step over on either side, or None when it does not apply.
TOLERATED = {
    "lost-after-extend": lost_after_extend,
}
