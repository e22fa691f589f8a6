"""Makes the guest: Debian's kernel with an initial RAM disk that has the benchmark's
program in it, and a disk image that boots both by GRUB."""

import gzip
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.join(HERE, "..", "tools")
PROGRAM = "bench-work"
ARGUMENTS = "console=ttyS0 panic=-1"
COMPILER = ["gcc", "-m32", "-march=i686", "-O2", "-static"]

# Rounds of each kind: in the interpreter each takes a second or two.
COMPUTE = {"sieve": 8, "sort": 4, "hash": 10, "bytecode": 6, "recursion": 20}
SYSTEM = {"getpid": 500, "fault": 60, "fork": 500}
KINDS = {**COMPUTE, **SYSTEM}


def compile_program(folder):
    """Builds the program, for the guest and for the host to run. False without a
    compiler for i386."""
    programs = os.path.join(HERE, "programs")
    sources = sorted(os.path.join(programs, name) for name in os.listdir(programs)
                     if name.endswith(".c"))
    return subprocess.run([*COMPILER, "-o", os.path.join(folder, PROGRAM), *sources],
                          check=False).returncode == 0


def prepare(folder, kinds):
    """Leaves vmlinuz, initrd.gz and disk.img in the folder; the guest runs these rounds
    of these kinds. Returns the kernel's version."""
    fetched = subprocess.run([os.path.join(TOOLS, "fetch-guest")], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.strip()
    shutil.copy(os.path.join(fetched, "vmlinuz"), folder)
    with open(os.path.join(folder, "initrd.gz"), "wb") as initrd:
        with open(os.path.join(fetched, "initrd.gz"), "rb") as debian:
            shutil.copyfileobj(debian, initrd)
        initrd.write(gzip.compress(archive(folder, kinds)))
    subprocess.run([os.path.join(TOOLS, "make-disk-image"), folder,
                    os.path.join(folder, "disk.img"), *ARGUMENTS.split()], check=True)
    with open(os.path.join(fetched, "version"), encoding="ascii") as version:
        return version.read().strip()


def archive(folder, kinds):
    """A cpio archive whose files replace and complete those of the initial RAM disk."""
    root = os.path.join(folder, "root")
    bench = os.path.join(root, "bench")
    os.makedirs(bench, exist_ok=True)
    shutil.copy(os.path.join(HERE, "guest", "init"), root)
    shutil.copy(os.path.join(folder, PROGRAM), bench)
    with open(os.path.join(bench, "kinds"), "w", encoding="ascii") as file:
        file.writelines(f"{kind} {rounds}\n" for kind, rounds in kinds.items())
    names = ["init", "bench", *(f"bench/{name}" for name in sorted(os.listdir(bench)))]
    return subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=root,
                          input="\n".join(names).encode(), stdout=subprocess.PIPE,
                          check=True).stdout
