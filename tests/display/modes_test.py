#!/usr/bin/env python3
"""The picture of each standard mode, and of Bochs VBE, with noise in video memory, is
what QEMU draws.

    modes_test.py DRAW_GUEST DISK TABLE [QEMU]

TABLE has hashes of QEMU's pictures. With QEMU's path they are drawn again, compared
pixel by pixel, and the table is written.

What QEMU is known to do in another way than the hardware is made equal before: the low
bits of colors, which it does not fill, and the width of characters in modes of 40
columns, which it takes to be 16 dots.
"""

import hashlib
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

# In the order of modes.asm; which bits of red, green and blue count.
DAC, BITS_555, BITS_565, ALL = (0xfc,) * 3, (0xf8,) * 3, (0xf8, 0xfc, 0xf8), (0xff,) * 3
MODES = [
    ("1: text 40x25", DAC), ("3: text 80x25", DAC), ("4: 320x200, 4 colors", DAC),
    ("5: 320x200, 4 grays", DAC), ("6: 640x200, 2 colors", DAC),
    ("7: monochrome text", DAC), ("0dh: 320x200, 16 colors", DAC),
    ("0eh: 640x200, 16 colors", DAC), ("0fh: 640x350, monochrome", DAC),
    ("10h: 640x350, 16 colors", DAC), ("11h: 640x480, 2 colors", DAC),
    ("12h: 640x480, 16 colors", DAC), ("13h: 320x200, 256 colors", DAC),
    ("X: 320x240, 256 colors", DAC), ("VBE 640x480, 8 bits", DAC),
    ("VBE 800x600, 8 bits", DAC), ("VBE 640x480, 15 bits", BITS_555),
    ("VBE 800x600, 16 bits", BITS_565), ("VBE 640x480, 24 bits", ALL),
    ("VBE 1024x768, 32 bits", ALL),
]
ONLY_OFFSET = 508
RUN_LIMIT_S = 300
QEMU_LIMIT_S = 60
WIDE_CELL, QEMUS_CELL = 18, 16


def read_ppm(path):
    """Width, height, and the bytes of the pixels."""
    magic, size, depth, pixels = path.read_bytes().split(b"\n", maxsplit=3)
    assert (magic, depth) == (b"P6", b"255")
    width, height = map(int, size.split())
    assert len(pixels) == 3 * width * height
    return width, height, pixels


def mask_colors(picture, bits):
    """Only these bits of red, green and blue."""
    width, height, pixels = picture
    result = bytearray(pixels)
    for color, mask in enumerate(bits):
        table = bytes(value & mask for value in range(256))
        result[color::3] = pixels[color::3].translate(table)
    return width, height, bytes(result)


def narrow_cells(picture):
    """Characters of 9 dots, each shown twice, without the ninth."""
    width, height, pixels = picture
    wide, narrow = 3 * WIDE_CELL, 3 * QEMUS_CELL
    cells = (pixels[at:at + narrow] for at in range(0, len(pixels), wide))
    return width // WIDE_CELL * QEMUS_CELL, height, b"".join(cells)


def digest(picture):
    """What the table has of a picture."""
    width, height, pixels = picture
    return f"{width}x{height} {hashlib.sha256(pixels).hexdigest()[:32]}"


def draw(draw_guest, disk, folder):
    """All pictures, from one run of a copy of the disk: each engine's test has its own."""
    copy = shutil.copy(disk, pathlib.Path(folder, "disk.img"))
    status = subprocess.run([draw_guest, folder, f"disk={copy}"], check=False,
                            timeout=RUN_LIMIT_S).returncode
    if status:
        sys.exit(status)
    pictures = []
    for number, (name, bits) in enumerate(MODES):
        picture = read_ppm(pathlib.Path(folder, f"{number}.ppm"))
        if "40x25" in name:
            picture = narrow_cells(picture)
        pictures.append(mask_colors(picture, bits))
    return pictures


def wait_for(path, condition):
    """Until the file is there and satisfies the condition."""
    end = time.monotonic() + QEMU_LIMIT_S
    while not (path.exists() and condition(path)):
        if time.monotonic() > end:
            sys.exit(f"QEMU: no {path.name}")
        time.sleep(0.02)


def qemus(qemu, disk, number, folder):
    """QEMU's picture of one mode."""
    image, serial, dump, monitor = (pathlib.Path(folder, name)
                                    for name in ("disk", "serial", "dump", "monitor"))
    data = bytearray(pathlib.Path(disk).read_bytes())
    data[ONLY_OFFSET] = number
    image.write_bytes(data)
    for path in (serial, dump, monitor):
        path.unlink(missing_ok=True)
    with subprocess.Popen(
            [qemu, "-display", "none", "-m", "16", "-drive",
             f"file={image},format=raw,if=ide", "-serial", f"file:{serial}", "-monitor",
             f"unix:{monitor},server,nowait", "-net", "none"],
            stderr=subprocess.DEVNULL) as process:
        wait_for(serial, lambda path: path.stat().st_size > 0)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(monitor))
            connection.sendall(f"screendump {dump}\n".encode())
            wait_for(dump, complete)
        process.terminate()
    return mask_colors(read_ppm(dump), MODES[number][1])


def complete(path):
    """Whether a picture has been written to its end."""
    try:
        return bool(read_ppm(path))
    except (ValueError, AssertionError):
        return False


def differences(ours, theirs):
    """In words; empty: there are none."""
    if ours[:2] != theirs[:2]:
        return f"{ours[0]}x{ours[1]}, but QEMU has {theirs[0]}x{theirs[1]}"
    if ours[2] == theirs[2]:
        return ""
    places = [at // 3 for at in range(0, len(ours[2]), 3)
              if ours[2][at:at + 3] != theirs[2][at:at + 3]]
    y, x = divmod(places[0], ours[0])
    at = 3 * places[0]
    return (f"{len(places)} pixels differ, the first at {x},{y}: "
            f"{ours[2][at:at + 3].hex()}, but QEMU has {theirs[2][at:at + 3].hex()}")


def read_table(path):
    """The hashes by the names of modes."""
    lines = pathlib.Path(path).read_text(encoding="ascii").splitlines()
    return dict(line.rsplit(" = ", 1) for line in lines if not line.startswith("#"))


def compare_with_qemu(pictures, qemu, disk, table, folder):
    """Draws everything again with QEMU and writes the table of that."""
    version = subprocess.run([qemu, "--version"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.split("(")[0].strip()
    lines = [f"# What {version} draws; written by modes_test.py."]
    good = True
    for number, (name, _) in enumerate(MODES):
        theirs = qemus(qemu, disk, number, folder)
        wrong = differences(pictures[number], theirs)
        print(f"{name}: {wrong or 'equal'}")
        good &= not wrong
        lines.append(f"{name} = {digest(theirs)}")
    pathlib.Path(table).write_text("\n".join(lines) + "\n", encoding="ascii")
    return good


def main():
    """Compares all modes."""
    draw_guest, disk, table, *qemu = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        pictures = draw(draw_guest, disk, folder)
        if qemu:
            good = compare_with_qemu(pictures, qemu[0], disk, table, folder)
        else:
            wanted = read_table(table)
            wrong = [name for picture, (name, _) in zip(pictures, MODES)
                     if digest(picture) != wanted[name]]
            print("\n".join(f"{name}: not what it should be" for name in wrong))
            good = not wrong
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
