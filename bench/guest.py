"""Makes the guest: Debian's kernel with an initial RAM disk that has the benchmark's
program in it, a disk image that boots both by GRUB, and one with a user land."""

import gzip
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
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
    with open(os.path.join(folder, "initrd.gz"), "wb") as initrd:
        with open(os.path.join(kernel, "initrd.gz"), "rb") as debian:
            shutil.copyfileobj(debian, initrd)
        initrd.write(gzip.compress(archive(folder)))
    return version(kernel), version(userland)


def archive(folder):
    """A cpio archive whose files replace and complete those of the initial RAM disk."""
    tree = os.path.join(folder, "initrd")
    bench = os.path.join(tree, "bench")
    os.makedirs(bench)
    shutil.copy(os.path.join(HERE, "guest", "init"), tree)
    shutil.copy(ENTER_USERLAND, bench)
    shutil.copy(os.path.join(folder, PROGRAM), bench)
    names = ["init", "bench", *(f"bench/{name}" for name in sorted(os.listdir(bench)))]
    return subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree,
                          input="\n".join(names).encode(), stdout=subprocess.PIPE,
                          check=True).stdout
