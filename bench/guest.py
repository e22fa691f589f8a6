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
ENTER_USERLAND = os.path.join(HERE, "guest", "userland")
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

# How long a kind is to take. The program finds out how many rounds that is.
WORK_MS = 500
ONE_ROUND = (FIRST_COMPILE, COMPILE)


def in_one_word(kinds):
    """As the guest and bench/guest/userland are told what to do."""
    return ",".join(f"{kind}:{0 if kind in ONE_ROUND else WORK_MS}" for kind in kinds)


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
    """Leaves vmlinuz, initrd.gz and root.img in the folder, and in `root` the files of
    the last. Returns the versions of the kernel and of the user land."""
    kernel = tool("fetch-guest")
    userland = tool("make-guest-image")
    shutil.copy(os.path.join(kernel, "vmlinuz"), folder)
    for name in ("root", "root.img"):
        os.symlink(os.path.join(userland, name), os.path.join(folder, name))
    initrd.add(os.path.join(kernel, "initrd.gz"), tree(folder),
               os.path.join(folder, "initrd.gz"))
    return version(kernel), version(userland)


def tree(folder):
    """A folder with what replaces and completes the files of the initial RAM disk."""
    files = os.path.join(folder, "initrd")
    bench = os.path.join(files, "bench")
    os.makedirs(bench)
    shutil.copy(os.path.join(HERE, "guest", "init"), files)
    shutil.copy(ENTER_USERLAND, bench)
    shutil.copy(os.path.join(folder, PROGRAM), bench)
    return files
