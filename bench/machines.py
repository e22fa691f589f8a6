"""The machines that are compared. Each boots the guest of a folder, from its disk image
or from its kernel, and knows the command for that."""

import os
import re
import shutil
import subprocess
import tempfile

import console
import engines
import guest

MEMORY_MIB = 256
# Of guests that use devices: the screen with a frame buffer, and the disks.
SCREEN = "video=1024x768"
IDE_IMAGE, VIRTIO_IMAGE = "ide.img", "virtio.img"

# A BIOS that ends the machine at once: mov al, TRIAL_VALUE; out TRIAL_PORT, al; hlt.
TRIAL_PORT, TRIAL_VALUE = 0xf4, 0x10
TRIAL_STATUS = TRIAL_VALUE << 1 | 1
TRIAL_LIMIT_S = 60
BIOS_BYTES, RESET_VECTOR_BYTES = 64 << 10, 16


def first_line_of(command):
    result = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    return result.stdout.split("\n", 1)[0].strip()


def trial_bios():
    code = bytes([0xb0, TRIAL_VALUE, 0xe6, TRIAL_PORT, 0xf4])
    return code.ljust(RESET_VECTOR_BYTES, b"\0").rjust(BIOS_BYTES, b"\xff")


class Machine:
    """`boots`: which ways to boot it has; by `kernel` it also gets the disk with the user
    land. `program`: the executable. `engine`: which of ours it is, None for the others.
    `patient`: it is so slow that long work is done less often. `by_backend`: it differs
    from another in how system calls come back, and does only what depends on that."""

    boots = ("disk", "kernel")
    program = ""
    engine = None
    patient = False
    by_backend = False
    # How its command begins.
    _start = []

    def refusal(self):
        """Why it cannot be measured, None if it can."""
        return None if shutil.which(self.program) else "not there"

    def boot(self, folder, how, until, limit_s, kinds=()):
        """See console.run. `kinds`: what to do if it boots from its kernel."""
        return console.run(self.command(how, kinds), folder, until, limit_s)

    def command(self, how, kinds=()):
        raise NotImplementedError

    def device_command(self, kinds, server, display="none"):
        """For kinds of work with devices. `server`: where the network leads to, as seen by
        the guest; `display`: where the screen is shown."""
        words = f"{guest.ARGUMENTS} {SCREEN} devices={guest.in_one_word(kinds)}"
        return [*self._start, *common_options(display),
                "-drive", f"file={IDE_IMAGE},format=raw,if=ide",
                "-drive", f"file={VIRTIO_IMAGE},format=raw,if=virtio",
                "-nic", "user,model=e1000", "-nic", "user,model=virtio-net-pci",
                "-kernel", "vmlinuz", "-initrd", "initrd.gz",
                "-append", f"{words} server={server}"]


def common_options(display="none"):
    """Of every machine that boots: its serial line is on standard output."""
    return ["-m", str(MEMORY_MIB), "-display", display, "-serial", "stdio", "-no-reboot"]


def kernel_options(kinds):
    """`kinds`: of both sorts, with the user land and without."""
    words = guest.ARGUMENTS
    programs = [kind for kind in kinds if kind in guest.PROGRAMS]
    others = [kind for kind in kinds if kind not in programs]
    for name, chosen in (("bench", programs), ("userland", others)):
        if chosen:
            words += f" {name}={guest.in_one_word(chosen)}"
    return ["-kernel", "vmlinuz", "-initrd", "initrd.gz", "-append", words]


class Faumachine(Machine):
    """`engine`: see engines.py."""

    def __init__(self, program, engine):
        self.program = os.path.abspath(program)
        self.name = f"faumachine, {engine}"
        self.engine = engine
        self.patient = engine.name == engines.INTERPRETER
        self.by_backend = bool(engine.backend)
        if self.by_backend:
            self.boots = ("kernel",)
        self._start = [self.program, *engine.options(), "-stats"]

    def refusal(self):
        """What the program says if it does not start, here, with this engine."""
        with tempfile.NamedTemporaryFile() as bios:
            bios.write(trial_bios())
            bios.flush()
            command = [*self._start, *common_options(), "-nic", "none", "-bios", bios.name,
                       "-device", f"isa-debug-exit,iobase={TRIAL_PORT:#x}"]
            try:
                result = subprocess.run(
                    command, check=False, text=True, timeout=TRIAL_LIMIT_S,
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE)
            except subprocess.TimeoutExpired:
                return f"its trial does not end in {TRIAL_LIMIT_S} s"
        if result.returncode == TRIAL_STATUS:
            return None
        said = result.stderr.strip().split("\n")[0].removeprefix("faumachine: ")
        return said or f"its trial ends with status {result.returncode}"

    def version(self):
        return first_line_of([self.program, "-version"])

    def command(self, how, kinds=()):
        what = ["disk.img"] if how == "disk" else ["root.img", *kernel_options(kinds)]
        return [*self._start, *common_options(), "-nic", "none", "-snapshot", *what]


class Qemu(Machine):
    name = "QEMU"
    program = "qemu-system-i386"
    _start = [program, "-accel", "tcg", "-M", "pc"]

    def version(self):
        return first_line_of([self.program, "--version"])

    def command(self, how, kinds=()):
        disk, what = "disk.img", []
        if how == "kernel":
            disk, what = "root.img", kernel_options(kinds)
        return [*self._start, *common_options(), "-nic", "none", "-snapshot",
                "-drive", f"file={disk},format=raw,if=ide", *what]


class Bochs(Machine):
    """Debian's package; without a display that shows something, as fast as it can."""

    name = "Bochs"
    program = "bochs-bin"
    boots = ("disk",)
    patient = True

    def version(self):
        package = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "bochs"],
                                 check=False, text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL).stdout
        return f"Bochs {package or 'of unknown version'} (Debian)"

    def command(self, how, kinds=()):
        return [self.program, "-q", "-f", "bochsrc", "-rc", "commands"]

    def boot(self, folder, how, until, limit_s, kinds=()):
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
    """The host's own processor, one core of it, as the guests have one: programs and the
    user land only."""

    name = "native"

    def __init__(self):
        self._one_core = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]

    def run(self, folder, kind, limit_s, place=None):
        """`place`: of kinds that need one."""
        words = [f"./{guest.PROGRAM}", kind, str(guest.WORK_MS), *([place] if place else [])]
        return self._run(words, folder, f"bench: end {kind} ", limit_s)

    def run_userland(self, folder, kinds, limit_s):
        """In its files, without a guest; its mounts are the process's own."""
        own_mounts = ["unshare", "--mount"]
        if os.geteuid() != 0:
            own_mounts.append("--map-root-user")
        shutil.copy(guest.ENTER_USERLAND, folder)
        return self._run([*own_mounts, "./userland", os.path.realpath(f"{folder}/root"),
                          guest.in_one_word(kinds)], folder, f"bench: end {kinds[-1]} ",
                         limit_s)

    def _run(self, command, folder, until, limit_s):
        return console.run([*self._one_core, *command], folder, until, limit_s)


def in_words(command):
    """A command as one would type it, without the folder of the program."""
    words = [os.path.basename(command[0]), *command[1:]]
    return " ".join(word if re.fullmatch(r"[\w./,=:-]+", word) else f"'{word}'"
                    for word in words)
