"""Bit flips in Bochs, from its save files: what the plain variant of the study sort-tmr
does, with the debugger that Debian's build has. There is nothing ready-made for that, so
this drives the debugger's prompt.

- The program is the study's, but for the port that it prints to: Bochs' serial line needs
  time for a letter, and the program waits for nothing. It is started by a ROM of our own
  (bench/bochs/boot.asm).
- Where it makes its first number, Bochs saves its state. Only its window has a button for
  that, so gdb has it call the function that is behind the button. That is done once.
- An experiment restores the state, either in a new process (`bochs -r`) or in the same
  one (the debugger's `restore`, part by part); steps up to the instruction (`s`), inverts
  a bit (`setpmem`), and continues up to the program's end, or to a time limit (`sb`)."""

import os
import random
import re
import shutil
import subprocess

import machines

HERE = os.path.dirname(os.path.abspath(__file__))
STUDY = os.path.join(HERE, "..", "experiments", "sort-tmr")
SAVE = "_ZN13bx_real_sim_c10save_stateEPKc"
STATE = "state"
# What the saved machine also has: what was configured, and contents of other files.
NO_PARTS = ("config", "logopts")
# Of both programs: how far faults are spread, and for how long one is waited.
NUMBERS_BYTES = 1200
INSTRUCTIONS, TIMEOUT = 45800, 1046000
LIMIT_S = 60

CONFIGURATION = """\
megs: 4
romimage: file=boot.rom
optramimage1: file=sort.bin, address={load}
display_library: rfb, options="timeout=0"
port_e9_hack: enabled=1
boot: disk
cpu: model=corei7_sandy_bridge_2600k, count=1, ips=100000000, reset_on_triple_fault=0
clock: sync=none
vga: extension=none
pci: enabled=0
plugin_ctrl: biosdev=0, iodebug=0, parallel=0, gameport=0, extfpuirq=0, speaker=0
plugin_ctrl: serial=0, usb_uhci=0
floppya: type=none
ata0: enabled=0
ata1: enabled=0
log: /dev/null
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
"""


def lacks():
    """What is missing; None: nothing."""
    missing = [name for name in (machines.Bochs.program, "gdb", "nasm", "objcopy")
               if not shutil.which(name)]
    return f"no {', '.join(missing)}" if missing else None


class Ended(Exception):
    """Bochs has; its last words."""


class Debugger:
    """A Bochs that waits for commands."""

    def __init__(self, folder, *options):
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            [machines.Bochs.program, "-q", "-f", "bochsrc", *options], cwd=folder, bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._read()

    def _read(self):
        text = b""
        while not re.search(rb"<bochs:\d+> $", text):
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            if not more:
                self.process.wait()
                raise Ended(text.decode(errors="replace"))
            text += more
        return text.decode(errors="replace")

    def do(self, command):
        """What it says."""
        try:
            self.process.stdin.write(command.encode() + b"\n")
        except BrokenPipeError as error:
            raise Ended("") from error
        return self._read()

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Loop:
    """`folder`: a new one."""

    def __init__(self, folder):
        self._folder = folder
        self._build()
        self._save()
        self._parts = sorted(name for name in os.listdir(os.path.join(folder, STATE))
                             if "." not in name and name not in NO_PARTS)
        self._random = random.Random(1)
        self._debugger = None

    def _run(self, *command):
        return subprocess.run(command, cwd=self._folder, check=True, text=True,
                              timeout=LIMIT_S, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout

    def _build(self):
        with open(os.path.join(STUDY, "sort.c"), encoding="ascii") as file:
            source = file.read()
        with open(os.path.join(self._folder, "sort.c"), "w", encoding="ascii") as file:
            file.write(source.replace("COM1 = 0x3f8", "COM1 = 0xe9"))
        self._run("gcc", "-m32", "-march=i686", "-O2", "-static", "-fno-pie", "-no-pie",
                  "-fno-stack-protector", "-ffreestanding", "-nostdlib",
                  "-mgeneral-regs-only", "-Wl,-Ttext-segment=0x100000,--build-id=none",
                  "-DCOPIES=1", "-o", "sort.elf", "sort.c")
        self._run("objcopy", "-O", "binary", "-j", ".text", "-j", ".rodata", "sort.elf",
                  "sort.bin")
        symbols = {name: int(value, 16) for value, name in re.findall(
            r"^([0-9a-f]+) \w (\w+)$", self._run("nm", "sort.elf"), re.MULTILINE)}
        self._stop, self._numbers = symbols["stop"], symbols["numbers"]
        self._run("nasm", "-f", "bin", f"-DENTRY={symbols['_start']:#x}", "-o", "boot.rom",
                  os.path.join(HERE, "bochs", "boot.asm"))
        text = self._run("objdump", "-h", "-j", ".text", "sort.elf")
        load = int(re.search(r"\.text +\w+ +(\w+)", text)[1], 16)
        with open(os.path.join(self._folder, "bochsrc"), "w", encoding="ascii") as file:
            file.write(CONFIGURATION.format(load=hex(load)))

    def _save(self):
        os.mkdir(os.path.join(self._folder, STATE))
        debugger = Debugger(self._folder)
        debugger.do(f"watch w {self._numbers:#x}")
        debugger.do("c")
        call = f'call ((char (*)(void *, const char *)){SAVE})((void *)*(long *)&SIM, "{STATE}")'
        self._run("gdb", "-q", "-batch", "-p", str(debugger.process.pid), "-ex", call)
        debugger.end()

    def run(self, anew):
        """An experiment, `anew` in a process of its own; its outcome in a word."""
        if anew or not self._debugger:
            self.end()
            self._debugger = Debugger(self._folder, "-r", STATE)
            self._debugger.do(f"lb {self._stop:#x}")
        else:
            for part in self._parts:
                self._debugger.do(f'restore "{part}" "{STATE}"')
        try:
            said = self._inject()
        except Ended as ended:
            self.end()
            return "crash" if "sum" not in str(ended) else "sdc"
        return {"wrong": "detected", "right": "right"}.get(
            "".join(re.findall(r"^sum (\w+)", said, re.MULTILINE)[-1:]), "hang")

    def _inject(self):
        """A bit of the numbers, before any instruction. What Bochs says from there on."""
        address = self._numbers + self._random.randrange(NUMBERS_BYTES)
        said = self._debugger.do(f"s {self._random.randrange(1, INSTRUCTIONS)}")
        shown = self._debugger.do(f"xp /1bx {address:#x}")
        value = int(re.search(r":\t0x(\w\w)", shown)[1], 16)
        value ^= 1 << self._random.randrange(8)
        self._debugger.do(f"setpmem {address:#x} 1 {value:#x}")
        self._debugger.do(f"sb {TIMEOUT}")
        return said + self._debugger.do("c")

    def end(self):
        if self._debugger:
            self._debugger.end()
            self._debugger = None
