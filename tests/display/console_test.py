#!/usr/bin/env python3
"""Linux's console on frame buffers shows what it should: a block of red in its place,
and something that is text above it.

    console_test.py DRAW_GUEST FETCH_GUEST
"""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.extend(str(HERE.parent / folder) for folder in (".", "boot"))
# pylint: disable=wrong-import-position
import engine
import guest as boot
import initrd
import modes_test

# In the order in which the guest comes to them: how each shows red.
FRAME_BUFFERS = [("vesafb, 16 bits", bytes((0xad, 0, 0))),
                 ("bochs-drm, 32 bits", bytes((0xaa, 0, 0)))]
SIZE = (1024, 768) # bochs-drm's favourite; vesafb has mode 117h
ROW, COLUMN, LENGTH = 30, 20, 10
CELL_WIDTH, CELL_HEIGHT = 8, 16
TEXT_LEAST = 1000 # pixels of it
RUN_LIMIT_S = 240

# The first process. 1281 is the port that has the picture drawn.
SCRIPT = f"""#!/bin/busybox sh
export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
show() {{
    printf '\\033[{ROW};{COLUMN}H\\033[41m%{LENGTH}s\\033[0m\\033[?25l' '' >/dev/tty1
    printf "$1" | dd of=/dev/port bs=1 seek=1281 2>/dev/null
}}
show '\\000'
modprobe bochs
sleep 1
show '\\001'
poweroff -f
"""


def run(draw_guest, folder, work):
    """The guest's pictures."""
    tree = work / "tree"
    tree.mkdir()
    script = tree / "show"
    script.write_text(SCRIPT, encoding="ascii")
    script.chmod(0o755)
    image = work / "initrd.gz"
    initrd.add(f"{folder}/initrd.gz", tree, image)
    result = subprocess.run(
        [draw_guest, work, f"kernel={folder}/vmlinuz", f"initrd={image}",
         "append=console=tty0 rdinit=/show panic=-1 vga=0x317"],
        check=False, timeout=RUN_LIMIT_S)
    if result.returncode == engine.SKIPPED:
        sys.exit(engine.SKIPPED)
    if result.returncode:
        sys.exit("the guest did not come to its end")
    return [modes_test.read_ppm(work / f"{number}.ppm")
            for number in range(len(FRAME_BUFFERS))]


def complaint(picture, red):
    """What is wrong with a picture; empty: nothing."""
    width, height, pixels = picture
    if (width, height) != SIZE:
        return f"{width}x{height}"
    line = 3 * width
    left, right = (COLUMN - 1) * CELL_WIDTH, (COLUMN - 1 + LENGTH) * CELL_WIDTH
    for y in range((ROW - 1) * CELL_HEIGHT, ROW * CELL_HEIGHT):
        row = pixels[y * line:(y + 1) * line]
        if row[3 * left:3 * right] != red * (right - left):
            return f"no red block in line {y}"
        if row[3 * right:3 * right + 3] == red:
            return f"the red block goes on in line {y}"
    above = pixels[:(ROW - 1) * CELL_HEIGHT * line]
    dots = sum(above[at:at + 3] != b"\0\0\0" for at in range(0, len(above), 3))
    return "" if dots > TEXT_LEAST else f"only {dots} pixels of text"


def main():
    """All frame buffers."""
    draw_guest, fetch_guest = sys.argv[1:]
    folder = boot.fetch(fetch_guest, "686")
    with tempfile.TemporaryDirectory() as work:
        pictures = run(draw_guest, folder, pathlib.Path(work))
    good = True
    for (name, red), picture in zip(FRAME_BUFFERS, pictures):
        wrong = complaint(picture, red)
        print(f"{name}: {wrong or 'right'}")
        good &= not wrong
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
