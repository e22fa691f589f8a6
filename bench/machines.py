"""The machines that are compared. Each boots the guest of a folder, from its disk image
or from its kernel, and knows the command for that."""

import os
import re
import shutil
import subprocess

import console
import guest

MEMORY_MIB = 256


def first_line_of(command):
    result = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    return result.stdout.split("\n", 1)[0].strip()


class Machine:
    """`boots`: which ways to boot it has. `program`: the executable. `engine`: which of
    ours it is, None for the others."""

    boots = ("disk", "kernel")
    program = ""
    engine = None

    def available(self):
        return shutil.which(self.program) is not None

    def boot(self, folder, how, until, limit_s):
        """See console.run."""
        return console.run(self.command(how), folder, until, limit_s)


class Faumachine(Machine):
    def __init__(self, program, engine, more=()):
        self.program = os.path.abspath(program)
        self.name = f"faumachine, {engine}"
        self.engine = engine
        self._options = ["-engine", engine, "-m", str(MEMORY_MIB), "-nographic",
                         "-no-reboot", "-stats", *more]

    def version(self):
        return first_line_of([self.program, "-version"])

    def command(self, how):
        what = ["-kernel", "vmlinuz", "-initrd", "initrd.gz", "-append", guest.ARGUMENTS]
        if how == "disk":
            what = ["-snapshot", "disk.img"]
        return [self.program, *self._options, *what]


class Qemu(Machine):
    name = "QEMU"
    program = "qemu-system-i386"

    def version(self):
        return first_line_of([self.program, "--version"])

    def command(self, how):
        what = ["-kernel", "vmlinuz", "-initrd", "initrd.gz", "-append", guest.ARGUMENTS]
        if how == "disk":
            what = ["-snapshot", "-drive", "file=disk.img,format=raw,if=ide"]
        return [self.program, "-accel", "tcg", "-M", "pc", "-m", str(MEMORY_MIB),
                "-nographic", "-no-reboot", *what]


class Bochs(Machine):
    """Debian's package; without a display that shows something, as fast as it can."""

    name = "Bochs"
    program = "bochs-bin"
    boots = ("disk",)

    def version(self):
        package = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "bochs"],
                                 check=False, text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL).stdout
        return f"Bochs {package or 'of unknown version'} (Debian)"

    def command(self, how):
        return [self.program, "-q", "-f", "bochsrc", "-rc", "commands"]

    def boot(self, folder, how, until, limit_s):
        # A new folder each time: Bochs writes to the image, and locks it with a file that
        # stays there when Bochs is ended.
        own = os.path.join(folder, "bochs")
        shutil.rmtree(own, ignore_errors=True)
        os.mkdir(own)
        shutil.copy(os.path.join(folder, "disk.img"), own)
        self._configure(own)
        return console.run(self.command(how), own, until, limit_s,
                           os.path.join(own, "serial"))

    @staticmethod
    def _configure(folder):
        cylinders = os.path.getsize(os.path.join(folder, "disk.img")) // (512 * 16 * 63)
        with open(os.path.join(folder, "commands"), "w", encoding="ascii") as file:
            file.write("c\n")
        with open(os.path.join(folder, "bochsrc"), "w", encoding="ascii") as file:
            file.write(f"""\
megs: {MEMORY_MIB}
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
display_library: rfb, options="timeout=0"
com1: enabled=1, mode=file, dev=serial
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path=disk.img, mode=flat, cylinders={cylinders}, heads=16, spt=63
boot: disk
cpu: model=corei7_sandy_bridge_2600k, count=1, ips=100000000, reset_on_triple_fault=0
clock: sync=none
log: /dev/null
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
""")


class Native:
    """The host's own processor: programs only, and more rounds, as they are short."""

    name = "native"
    factor = 10

    def run(self, folder, kind, rounds, limit_s):
        command = [f"./{guest.PROGRAM}", kind, str(rounds * self.factor)]
        try:
            return console.run(command, folder, "bench: end", limit_s)
        except OSError as error:  # a kernel that takes no i386 programs
            failed = console.Run()
            failed.errors = str(error)
            return failed


def in_words(command):
    """A command as one would type it, without the folder of the program."""
    words = [os.path.basename(command[0]), *command[1:]]
    return " ".join(word if re.fullmatch(r"[\w./,=:-]+", word) else f"'{word}'"
                    for word in words)
