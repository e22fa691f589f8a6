"""Makes the guest: Debian's kernel with an initial RAM disk that has the benchmark's
program in it, a disk image that boots both by GRUB, and one with a user land."""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "tests"))
# pylint: disable=wrong-import-position
import initrd

TOOLS = os.path.join(HERE, "..", "tools")
PROGRAM = "bench-work"
ENTER_USERLAND, USE_DEVICES = (os.path.join(HERE, "guest", name)
                               for name in ("userland", "devices"))
ARGUMENTS = "console=ttyS0 panic=-1"
COMPILER = ["gcc", "-m32", "-march=i686", "-O2", "-fno-math-errno", "-static"]

# Kinds of work. Those of the user land need the programs of a disk.
INTEGER = ("sieve", "sort", "hash", "bytecode", "recursion", "virtual")
FLOATING = ("nbody", "mandelbrot", "matrix", "fft", "motion")
SYSTEM = ("getpid", "int80", "fault", "fork", "exec", "pipe")
PROGRAMS = (*INTEGER, *FLOATING, *SYSTEM)
SHELL, FIRST_COMPILE, COMPILE = "shell", "first-compile", "compile"
USERLAND = (SHELL, FIRST_COMPILE, COMPILE)
# What depends on how system calls of programs that run directly come back. With some
# ways signals do, too, so that page faults are among it.
BY_BACKEND = (*SYSTEM, FIRST_COMPILE, COMPILE)

# What devices do. Those of consoles are printed on tty1, "watched" if a VNC viewer looks;
# what the viewer sees meanwhile is in UPDATES, by kind. In those of RESTING the guest does
# nothing, and the CPU time for that is the figure.
TEXT, FRAME = "text-lines", "frame-lines"
TEXT_WATCHED, FRAME_WATCHED = f"{TEXT}-watched", f"{FRAME}-watched"
UPDATES = {TEXT_WATCHED: "text-updates", FRAME_WATCHED: "frame-updates"}
DISK_TRANSFERS = ("read", "write", "random-read", "random-write")
IDE, VIRTIO_BLK = ([f"{disk}-{transfer}" for transfer in DISK_TRANSFERS]
                   for disk in ("ide", "virtio-blk"))
E1000, VIRTIO_NET = ([f"{card}-{transfer}" for transfer in ("receive", "send")]
                     for card in ("e1000", "virtio-net"))
IDLE, IDLE_WATCHED = RESTING = ("idle", "idle-watched")
DISKS, NETWORKS = (*IDE, *VIRTIO_BLK), (*E1000, *VIRTIO_NET)
DEVICES = (TEXT, FRAME, *DISKS, *NETWORKS, IDLE)
WATCHED = (TEXT_WATCHED, FRAME_WATCHED, IDLE_WATCHED)

# How long a kind is to take. The program finds out how many rounds that is.
WORK_MS = 500
REST_MS = 20000
ONE_ROUND = (FIRST_COMPILE, COMPILE)


def milliseconds(kind):
    if kind in ONE_ROUND:
        return 0
    return REST_MS if kind in RESTING else WORK_MS


def in_one_word(kinds):
    """As the guest and the scripts of bench/guest are told what to do."""
    return ",".join(f"{kind}:{milliseconds(kind)}" for kind in kinds)


def compile_program(folder):
    """Builds the program, for the guest and for the host to run. False without a
    compiler for i386."""
    programs = os.path.join(HERE, "programs")
    sources = sorted(os.path.join(programs, name) for name in os.listdir(programs)
                     if name.endswith(".c"))
    return subprocess.run([*COMPILER, "-o", os.path.join(folder, PROGRAM), *sources],
                          check=False).returncode == 0


def tool(name, *arguments):
    """Runs it; returns what it prints in the end, which is the folder that it made."""
    return subprocess.run([os.path.join(TOOLS, name), *arguments], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def version(folder):
    with open(os.path.join(folder, "version"), encoding="utf-8") as file:
        return file.read().strip()


def prepare(folder):
    """As prepare_userland; and disk.img, which boots by itself."""
    versions = prepare_userland(folder)
    tool("make-disk-image", folder, os.path.join(folder, "disk.img"),
         *ARGUMENTS.split(), f"bench={in_one_word(PROGRAMS)}")
    return versions


def prepare_userland(folder):
    """As prepare_kernel; and root.img, and in `root` its files. Returns the versions of
    the kernel and of the user land."""
    kernel = prepare_kernel(folder)
    userland = tool("make-guest-image")
    for name in ("root", "root.img"):
        os.symlink(os.path.join(userland, name), os.path.join(folder, name))
    return kernel, version(userland)


def prepare_kernel(folder):
    """Leaves vmlinuz and initrd.gz in the folder. Returns the kernel's version."""
    kernel = tool("fetch-guest")
    shutil.copy(os.path.join(kernel, "vmlinuz"), folder)
    initrd.add(os.path.join(kernel, "initrd.gz"), tree(folder),
               os.path.join(folder, "initrd.gz"))
    return version(kernel)


def tree(folder):
    """A folder with what replaces and completes the files of the initial RAM disk."""
    files = os.path.join(folder, "initrd")
    bench = os.path.join(files, "bench")
    os.makedirs(bench)
    shutil.copy(os.path.join(HERE, "guest", "init"), files)
    for script in (ENTER_USERLAND, USE_DEVICES):
        shutil.copy(script, bench)
    shutil.copy(os.path.join(folder, PROGRAM), bench)
    return files
