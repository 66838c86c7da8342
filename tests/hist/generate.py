# SPDX-License-Identifier: MIT
"""Hist triggers made from the kernel's grammar, most of them right, some not quite."""

import random

FIELDS = {
    "sched:sched_waking": ["pid", "prio", "target_cpu", "comm", "common_pid", "common_flags"],
    "sched:sched_switch": ["prev_pid", "next_pid", "prev_prio", "next_prio", "prev_state",
                           "prev_comm", "next_comm", "common_pid"],
    "raw_syscalls:sys_enter": ["id", "common_pid", "args", "common_preempt_count"],
    "raw_syscalls:sys_exit": ["id", "ret", "common_pid"],
    "kmem:kmem_cache_alloc": ["call_site", "ptr", "bytes_req", "bytes_alloc", "common_pid"],
    "sched:sched_process_exit": ["comm", "pid", "prio"],
}
SPECIAL = ["common_timestamp", "common_timestamp.usecs", "common_cpu", "cpu", "hitcount"]
MODIFIERS = ["hex", "sym", "sym-offset", "syscall", "execname", "log2", "buckets=10", "bucket=3",
             "buckets=0", "buckets=x", "usecs", "percent", "graph", "stacktrace", "wrong"]
NUMBERS = ["1", "7", "8", "10", "1000", "0x10", "010", "1048576", "3000000", "0", "12x"]
FILTERS = ["common_pid > 0", "common_pid != 0 && common_flags >= 0", "common_pid == -1",
           "nofield == 3", "common_pid >", "(common_pid > 5", "common_pid ~ \"x\""]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.variables = 0

    def pick(self, words):
        return self.random.choice(words)

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def field(self, event, numbers=False):
        if self.chance(3):
            return "nofield"
        if self.chance(12):
            return self.pick(SPECIAL)
        # The sum of a text is that of the kernel's addresses.
        return self.pick([x for x in FIELDS[event] if not (numbers and "comm" == x[-4:])])

    def modified(self, event, percent, numbers=False):
        field = self.field(event, numbers)
        if field == "common_pid" and self.chance(60):
            return field + ".execname"
        if not self.chance(percent):
            return field
        modifier = self.pick(MODIFIERS)
        if field[-4:] == "comm" and modifier[:3] in ("log", "buc"):
            return field  # of the address
        return field + "." + modifier

    def expression(self, event):
        text = self.field(event)
        for _ in range(self.pick([1, 1, 2, 3, 4])):
            text += self.pick("+-*/")
            text += self.pick(NUMBERS) if self.chance(60) else self.field(event)
        return "-(%s)" % text if self.chance(10) else text

    def key(self, event):
        return self.expression(event) if self.chance(20) else self.modified(event, 40)

    def value(self, event):
        if self.chance(10):
            return "hitcount"
        return self.expression(event) if self.chance(25) else self.modified(event, 30, True)

    def variable(self, event):
        self.variables += 1
        text = self.expression(event) if self.chance(40) else self.modified(event, 15)
        return "v%d=%s" % (self.variables if not self.chance(5) else 1, text)

    def tracking(self, event, name):
        save = ",".join(self.field(event) for _ in range(self.pick([1, 2, 3])))
        return ":%s($%s).save(%s)" % (self.pick(["onmax", "onchange"]), name, save)

    def sort(self, keys, values):
        words = ["hitcount"] + [x.split(".")[0] for x in keys + values]
        return ",".join(self.pick(words) + self.pick(["", "", ".descending", ".ascending"])
                        for _ in range(self.pick([1, 1, 2, 2])))

    def trigger(self):
        event = self.pick(sorted(FIELDS))
        keys = [self.key(event) for _ in range(self.pick([1, 1, 1, 2, 2, 3]))]
        values = [self.value(event) for _ in range(self.pick([0, 0, 1, 1, 2, 3]))]
        text = "hist:%s=%s" % (self.pick(["keys", "key"]), ",".join(keys))
        if values:
            text += ":%s=%s" % (self.pick(["vals", "val", "values"]), ",".join(values))
        if self.chance(50):
            text += ":sort=" + self.sort(keys, values)
        text += ":size=%d" % self.pick([128, 128, 200, 256, 2048])
        if self.chance(25):
            variable = self.variable(event)
            text += ":" + variable
            # Of a text, the kernel would show the address.
            if self.chance(60) and "comm" not in variable:
                text += self.tracking(event, variable.split("=")[0])
        if self.chance(8):
            text += ":nohitcount"
        if self.chance(4):
            text += self.pick([":pause", ":clear", ":cont", ":wrong", ":a=", "::"])
        if self.chance(20):
            text += " if " + self.pick(FILTERS)
        return "%s %s" % (event, text)


def triggers(seed, number):
    maker = Maker(seed)
    return "".join(maker.trigger() + "\n" for _ in range(number))
