#!/usr/bin/env python3
"""The kernel has nothing to complain about on our PC that it does not say on QEMU's.

    dmesg_test.py PROGRAM FETCH_GUEST FLAVOUR QEMU DIFFERENCES

Boots the same kernel, initial RAM disk and command line on both and compares the
messages of level warning and worse. What only ours has must be in DIFFERENCES, a file of
lines "level pattern" (a regular expression) under comments that give the reason. QEMU may
be empty: then ours is compared with the file alone. Our PC's clock counts instructions:
with the host's, what the kernel says of its clocks would depend on the host's load.
"""

import os
import re
import subprocess
import sys
import tempfile

import guest as boot

ERROR = 3
WARNING = 4
BEGIN = b"guest: kernel messages begin"
END = b"guest: kernel messages end"
WORDS = "faumachine.batch faumachine.dmesg"
DISK_BYTES = 8 << 20


def read_differences(path):
    """Pairs of level and compiled pattern."""
    differences = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            level, _, pattern = line.strip().partition(" ")
            if level not in ("error", "warning") or not pattern:
                sys.exit(f"{path}:{number}: expected 'error PATTERN' or "
                         "'warning PATTERN'")
            differences.append((ERROR if level == "error" else WARNING,
                                re.compile(pattern)))
    return differences


def messages_of(raw):
    """Pairs of level and text, worst level 0, from lines "<30>[    1.5] text"."""
    messages = []
    for line in raw.decode(errors="replace").splitlines():
        match = re.match(r"<(\d+)>\[ *\d+\.\d+\] (.*)", line.strip("\r"))
        if match:
            messages.append((int(match.group(1)) & 7, match.group(2).rstrip()))
    return messages


def normalized(text):
    """Without what differs from run to run: addresses, durations, counts."""
    return re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{6,}\b|\d+", "N", text)


def boot_to_messages(command):
    """Boots to the messages, waits for the power-off."""
    guest = boot.Guest.on_pipes(command)
    guest.expect(BEGIN, boot.BOOT_LIMIT_S)
    raw = guest.expect(END)
    guest.expect(b"guest: all results are right")
    guest.expect_power_off()
    messages = messages_of(raw)
    if len(messages) < 100 or not any("Linux version" in text for _, text in messages):
        guest.fail(f"only {len(messages)} messages")
    return messages


def qemu_command(qemu, options, disk):
    """QEMU's machine that is nearest to ours."""
    return [qemu, "-M", "pc", "-accel", "tcg", "-cpu", "max",
            "-nodefaults", "-vga", "std", *options,
            "-drive", f"file={disk},format=raw,if=ide,index=0",
            "-display", "none", "-serial", "stdio", "-no-reboot"]


def judge(ours, theirs, differences):
    """Lines that ours should not have."""
    known = {normalized(text) for level, text in theirs if level <= WARNING}
    return [f"level {level}: {text}" for level, text in ours
            if level <= WARNING and normalized(text) not in known
            and not any(level >= allowed and pattern.search(text)
                        for allowed, pattern in differences)]


def is_usable(qemu):
    """Whether there is a QEMU."""
    if not qemu:
        return False
    try:
        return subprocess.run([qemu, "--version"], stdout=subprocess.DEVNULL,
                              check=False).returncode == 0
    except OSError:
        return False


def main():
    """Boots one kernel on both machines."""
    program, fetch_guest, flavour, qemu, difference_file = sys.argv[1:]
    differences = read_differences(difference_file)
    folder = boot.fetch(fetch_guest, flavour)
    options = boot.kernel_options(folder, WORDS)
    with tempfile.TemporaryDirectory() as work:
        disk = os.path.join(work, "disk.img")
        with open(disk, "wb") as file:
            file.truncate(DISK_BYTES)
        ours = boot_to_messages(
            boot.command(program, *options, "-hda", disk, "-nographic", "-no-reboot",
                         "-clock", "counted"))
        theirs = []
        if is_usable(qemu):
            theirs = boot_to_messages(qemu_command(qemu, options, disk))
        else:
            print("dmesg_test: no QEMU here: ours against the file alone")
    # Not a difference, but a test that could not fail: the levels must have come through.
    if not any(level == 5 for level, _ in ours):
        sys.exit("dmesg_test: there are no levels in the messages")
    unexpected = judge(ours, theirs, differences)
    if unexpected:
        sys.exit("dmesg_test: only our PC makes the kernel say this; mend it, or give "
                 f"the reason in {difference_file}:\n" + "\n".join(unexpected))
    print(f"dmesg_test: {len(ours)} messages, {sum(l <= WARNING for l, _ in ours)} "
          f"of level warning or worse; {len(theirs)} on QEMU")


if __name__ == "__main__":
    main()
