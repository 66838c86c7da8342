# SPDX-License-Identifier: MIT
"""The ways of calling report that are compared, and the differences that are trace-cmd's defects.

Not compared, because what trace-cmd 3.1.6 prints is not a text to match (see docs/compat.md): --events,
--event, --stat, --check-events, --comm and --profile.
"""

import re

# name: arguments. CORE is compared on every recording.
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
    "quiet": ["-q"],
    "filter-pid": ["-F", ".*:common_pid != 0"],
    "filter-switch": ["-F", "sched_switch:prev_pid != 0 && next_comm ~ \"s.*\""],
    "filter-not": ["-F", "sched_switch:next_pid == 0", "-v", "-F", "sched_waking:pid > 20"],
    "filter-several": ["-F", "sched_switch:prev_prio < 120", "-F", "sched_wakeup,sched_waking",
                       "-F", "sys_enter_read:fd > 2 || count >= 4096", "-F", "function"],
    "filter-cpu": ["-F", "sched_switch:COMM == \"sh\" || CPU == 1", "-F", "kmalloc:bytes_req >= 512"],
    "functions": ["-f"],
    "printks": ["-P"],
    "endian": ["-e"],
    "page-size": ["-p"],
    "event-names": ["-E"],
    "cpus": ["--cpus"],
    "first-event": ["--first-event"],
    "last-event": ["--last-event", "--first-event"],
    "uname": ["--uname"],
    "version": ["--version"],
    "ts-check": ["--ts-check"],
    "boundary": ["--boundary"],
    "two-files": [],
    "two-files-ns": ["-t", "-l"],
}
ALL = {**CORE, **MORE}
# These are given the next recording, too.
TWO_FILES = {"two-files", "two-files-ns"}
# They show no events, but the file's name.
NAMES_THE_FILE = {"cpus", "first-event", "last-event"}

# ---- what trace-cmd 3.1.6 gets wrong; each is a heading in docs/compat.md ------------------------

LOST = re.compile(rb"( *\S*: +)?CPU:\d+ \[(\d+ )?EVENTS DROPPED\]\n")
INSTANCE_LINE = re.compile(rb" *[^\s:]+: .*-\d+ +(\[\d+\]|\d)")
INSTANCE_CPUS = re.compile(rb"(Instance|  \d)")


def only_ours(mode, ours):
    """The name of the defect that explains a line of Sonde alone, or None."""
    if LOST.fullmatch(ours):
        return "lost-after-extend"
    if mode.startswith("cpu-") or mode.startswith("cpus-"):
        return "cpu-hides-instances" if INSTANCE_LINE.match(ours) else None
    if mode in NAMES_THE_FILE:
        return "cpus-without-instances" if INSTANCE_CPUS.match(ours) else None
    return None


RAW_MODES = {"raw", "latency-raw", "raw-no-plugins", "raw-sched", "raw-some"}
ARRAY = re.compile(rb"ARRAY\[([^]]*)\]")


def raw_array_overrun(mode, theirs, ours):
    """-R: trace-cmd shows bytes behind the record as elements of a fixed array."""
    if mode not in RAW_MODES or ARRAY.sub(b"", theirs) != ARRAY.sub(b"", ours):
        return False
    pairs = list(zip(ARRAY.findall(theirs), ARRAY.findall(ours)))
    return bool(pairs) and all(a.startswith(b) for a, b in pairs)


def raw_string_overrun(mode, theirs, ours):
    """-R: trace-cmd prints a char array without a NUL, or an empty one, up to the next NUL."""
    if mode not in RAW_MODES:
        return False
    start = 0
    while start < len(ours) and theirs[start:start + 1] == ours[start:start + 1]:
        start += 1
    rest = ours[start:]
    return (rest[:1] in (b" ", b"\n") and theirs.endswith(rest) and
            re.search(rb" \w+=[^=]*$", ours[:start]) is not None)


# Each gets the mode and two lines that differ, and says whether this defect explains it.
TOLERATED = {
    "raw-array-overrun": raw_array_overrun,
    "raw-string-overrun": raw_string_overrun,
}
