# SPDX-License-Identifier: MIT
"""Boot a Linux kernel under qemu, run one script in it as root, bring its files back.

Used by tests/vm/run (by hand and by the other tests) and by tests/differential. Nothing of the host
is shared with the guest: binaries and their libraries travel in an initramfs, files come back on
an ext4 image that debugfs reads, so neither root nor KVM nor a mount is needed here.

The kernels are Debian's cloud kernels, fetched once through apt into
${XDG_CACHE_HOME:-~/.cache}/sonde/vm, because NVMe, ext4 and the serial console are built into them
and no module is needed. SONDE_VM_KERNEL=/path/to/bzImage uses another kernel for everything.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

SKIP_STATUS = 77  # what meson and automake take for "skipped"
DEAD_STATUS = 99  # the guest ended without telling the script's status
SERIES = ("6.1", "6.12")
# Software emulation of these buys nothing, and some qemu versions get cx16 and la57 wrong.
CPU = "max,la57=off,pku=off,cx16=off"
CMDLINE = "console=ttyS0 panic=-1 quiet loglevel=4 nokaslr mitigations=off no_hash_pointers"
PLUGIN_GLOB = "/usr/lib/*/traceevent/plugins"


class Skip(Exception):
    """What is needed is not here; the text says what."""


class Guest:
    """The outcome of one run: the script's status, its output directory and console log."""

    def __init__(self, status, out_dir, console):
        self.status = status
        self.out_dir = out_dir
        self.console = console


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(base, "sonde", "vm")
    os.makedirs(path, exist_ok=True)
    return path


def need_tools(names):
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [n for n in names if not shutil.which(n)]
    if missing:
        raise Skip("not installed: " + ", ".join(missing))


def numbers(text):
    return [int(n) for n in re.findall(r"\d+", text)]


def cached_kernel(series):
    """The newest cached kernel of the series, or None."""
    found = glob.glob(os.path.join(cache_dir(), "linux-image-%s.*-cloud-amd64" % series,
                                   "boot", "vmlinuz-*"))
    return max(found, key=numbers) if found else None


def apt_names(series):
    """Names of the series' signed cloud kernels that apt knows, newest first."""
    listed = subprocess.run(["apt-cache", "pkgnames", "linux-image-%s." % series],
                            capture_output=True, text=True, check=False)
    wanted = re.compile(r"linux-image-%s\.\d.*-cloud-amd64" % re.escape(series))
    return sorted(filter(wanted.fullmatch, listed.stdout.split()), key=numbers, reverse=True)


def fetch_kernel(series):
    """Download and unpack the newest kernel of the series; return the path of its vmlinuz."""
    need_tools(["apt-get", "apt-cache", "dpkg"])
    names = apt_names(series)
    if not names and os.geteuid() == 0:
        subprocess.run(["apt-get", "-qq", "update"], check=False, stdout=subprocess.DEVNULL)
        names = apt_names(series)
    for name in names[:4]:
        with tempfile.TemporaryDirectory(dir=cache_dir()) as tmp:
            os.chmod(tmp, 0o755)
            got = subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download",
                                  name], cwd=tmp, stderr=subprocess.DEVNULL, check=False)
            debs = glob.glob(os.path.join(tmp, "*.deb"))
            if got.returncode or not debs:
                continue
            tree = os.path.join(tmp, "tree")
            subprocess.run(["dpkg", "-x", debs[0], tree], check=True)
            keep = os.path.join(tmp, "keep")
            os.makedirs(keep)
            shutil.move(os.path.join(tree, "boot"), keep)
            target = os.path.join(cache_dir(), name)
            shutil.rmtree(target, ignore_errors=True)
            os.rename(keep, target)
        return cached_kernel(series)
    raise Skip("apt offers no linux-image-%s.*-cloud-amd64 package" % series)


def kernel_path(which):
    """The image to boot for a series ("6.1") or a path; SONDE_VM_KERNEL wins over both."""
    path = os.environ.get("SONDE_VM_KERNEL") or which
    if "/" in path:
        if not os.path.exists(path):
            raise Skip("no kernel at " + path)
        return path
    if path not in SERIES:
        raise Skip("unknown kernel series %s (known: %s)" % (path, ", ".join(SERIES)))
    return cached_kernel(path) or fetch_kernel(path)


def libraries(path):
    """The shared objects and the loader of a program, as absolute paths."""
    listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    return re.findall(r"(/\S+) \(0x", listed.stdout)


def cpio_entry(ino, name, mode, data):
    fields = (ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
    head += b"\0" * (-len(head) % 4)
    return head + data + b"\0" * (-len(data) % 4)


class Initramfs:
    """A cpio archive in the making (newc, not compressed: unpacking it emulated costs more)."""

    def __init__(self):
        self.entries = {}

    def mkdir(self, path):
        path = path.strip("/")
        if path and path not in self.entries:
            self.mkdir(os.path.dirname(path))
            self.entries[path] = (0o40755, b"")

    def put(self, path, data, mode=0o755):
        self.mkdir(os.path.dirname(path))
        self.entries[path.strip("/")] = (0o100000 | mode, data)

    def add_file(self, host, guest):
        with open(host, "rb") as f:
            self.put(guest, f.read(), 0o755 if os.access(host, os.X_OK) else 0o644)

    def add_program(self, host, guest=None):
        self.add_file(host, guest or os.path.join("/bin", os.path.basename(host)))
        for lib in libraries(host):
            self.add_file(lib, lib)

    def write(self, path):
        with open(path, "wb") as f:
            for ino, (name, (mode, data)) in enumerate(self.entries.items(), 1):
                f.write(cpio_entry(ino, name, mode, data))
            f.write(cpio_entry(0, "TRAILER!!!", 0, b""))


def build_initramfs(path, script, programs, files):
    here = os.path.dirname(os.path.abspath(__file__))
    ram = Initramfs()
    for d in ("/proc", "/sys", "/dev", "/tmp", "/results", "/etc", "/root", "/var/run"):
        ram.mkdir(d)
    ram.add_file(shutil.which("busybox"), "/bin/busybox")
    ram.put("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
    ram.add_file(os.path.join(here, "guest-init"), "/init")
    ram.entries["init"] = (0o100755, ram.entries["init"][1])
    ram.add_file(script, "/script")
    ram.entries["script"] = (0o100755, ram.entries["script"][1])
    for host, guest in programs:
        ram.add_program(host, guest)
    for host, guest in files:
        ram.add_file(host, guest)
    if any(os.path.basename(host) == "trace-cmd" for host, _ in programs):
        for plugin in glob.glob(os.path.join(glob.glob(PLUGIN_GLOB)[0], "*")
                                if glob.glob(PLUGIN_GLOB) else "/nonexistent"):
            ram.add_file(plugin, plugin)
    ram.write(path)


def qemu_command(kernel, ram, disk, console, args):
    return ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", CPU, "-smp", "2",
            "-m", args["memory"], "-nodefaults", "-no-user-config", "-display", "none",
            "-no-reboot", "-kernel", kernel, "-initrd", ram, "-append",
            CMDLINE + " " + args["append"], "-serial", "file:" + console, "-serial", "stdio",
            "-drive", "file=%s,if=none,id=results,format=raw,cache=unsafe" % disk,
            "-device", "nvme,drive=results,serial=results"]


def read_status(disk):
    got = subprocess.run(["debugfs", "-R", "cat /.status", disk], capture_output=True,
                         text=True, check=False)
    return int(got.stdout) if got.stdout.strip().isdigit() else DEAD_STATUS


def bring_back(disk, out_dir):
    os.makedirs(out_dir, exist_ok=True)
    subprocess.run(["debugfs", "-R", "rdump / " + out_dir, disk], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shutil.rmtree(os.path.join(out_dir, "lost+found"), ignore_errors=True)
    status = os.path.join(out_dir, ".status")
    if os.path.exists(status):
        os.unlink(status)


def run(kernel, script, out_dir, programs=(), files=(), inputs=None, timeout=300,
        memory="1G", disk_mb=1024, append="", output=None):
    """Run a script as root in a guest.

    kernel: a series ("6.1", "6.12") or the path of an image. programs: pairs (host path, guest
    path or None for /bin), brought with their libraries; files: the same without. inputs: a
    directory copied to /results before the start. Everything in the guest's /results is in out_dir
    afterwards, the console in out_dir.console. The script's output goes to `output` (default: our
    stdout). Raises Skip when qemu or the kernel cannot be had.
    """
    need_tools(["qemu-system-x86_64", "debugfs", "mkfs.ext4", "busybox", "ldd"])
    image = kernel_path(kernel)
    out_dir = os.path.abspath(out_dir)
    os.makedirs(out_dir, exist_ok=True)
    console = out_dir.rstrip("/") + ".console"
    with tempfile.TemporaryDirectory(prefix="sonde-vm-", dir="/var/tmp") as tmp:
        ram, disk = os.path.join(tmp, "initramfs"), os.path.join(tmp, "disk")
        build_initramfs(ram, script, programs, files)
        with open(disk, "wb") as f:
            f.truncate(disk_mb << 20)
        mkfs = ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1",
                "-O", "^has_journal"]
        subprocess.run(mkfs + (["-d", inputs] if inputs else []) + [disk], check=True)
        command = qemu_command(image, ram, disk, console,
                               {"memory": memory, "append": append})
        try:
            subprocess.run(command, timeout=timeout, check=False, stdin=subprocess.DEVNULL,
                           stdout=output)
        except subprocess.TimeoutExpired:
            sys.stderr.write("vm: no end after %d s; console: %s\n" % (timeout, console))
            bring_back(disk, out_dir)
            return Guest(124, out_dir, console)
        status = read_status(disk)
        bring_back(disk, out_dir)
    if status == DEAD_STATUS:
        sys.stderr.write("vm: the guest ended without a status; console: %s\n" % console)
    return Guest(status, out_dir, console)
