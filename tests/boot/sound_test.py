#!/usr/bin/env python3
"""A tone by Debian's drivers for AC97 and Sound Blaster 16, and by the PC's speaker,
into a WAV file: whether it is 440 Hz, as long as it should be, without a crackle, and,
as time is counted, the same sound in each of RUNS runs.

    sound_test.py PROGRAM FETCH_GUEST FLAVOUR RUNS

tests/boot/sound has what runs in the guest.
"""

import array
import hashlib
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import wave

import guest as boot

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
# pylint: disable=wrong-import-position
import initrd

SOURCES = pathlib.Path(__file__).resolve().parent / "sound"
COMPILER = ["gcc", "-m32", "-O2", "-static", "-Wall", "-Wextra", "-Werror"]
RATE, FREQUENCY, AMPLITUDE, SECONDS = 48000, 440, 16384, 1
RUN_LIMIT_S = 300
SILENCE = 0.1  # of a second: where one tone ends
QUIET = 200    # a level
EDGE = 500     # frames at both ends in which filters begin and end


def fail(text):
    """Ends the test."""
    sys.exit(f"sound_test: {text}")


def make_guest(folder, kernel):
    """An initial RAM disk that plays."""
    tree = os.path.join(folder, "tree")
    os.makedirs(os.path.join(tree, "bin"))
    result = subprocess.run([*COMPILER, "-o", os.path.join(tree, "bin", "tone"),
                             str(SOURCES / "tone.c"), "-lm"], check=False)
    if result.returncode:
        boot.skip("no compiler for i386")
    shutil.copy(SOURCES / "init", os.path.join(tree, "init"))
    path = os.path.join(folder, "initrd.gz")
    initrd.add(os.path.join(kernel, "initrd.gz"), tree, path)
    return path


def play(program, kernel, disk, sound):
    """Runs the guest; its sound is in the file `sound` then."""
    command = boot.command(
        program, "-m", "128", "-kernel", os.path.join(kernel, "vmlinuz"), "-initrd",
        disk, "-append", "console=ttyS0 quiet panic=-1", "-display", "none", "-serial",
        "file:/dev/stdout", "-clock", "counted", "-audiodev", f"wav,path={sound}",
        "-device", "AC97", "-device", "sb16", "-no-reboot")
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, check=False,
                                stderr=subprocess.STDOUT, timeout=RUN_LIMIT_S,
                                stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        fail("the guest goes on")
    text = result.stdout.decode(errors="replace")
    print(text)
    if result.returncode or text.count("played") != 3:
        fail(f"status {result.returncode}; not all was played")


def read(path):
    """The left side of a file."""
    with wave.open(path) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 2, 2):
            fail("the file is not 16-bit stereo at 48 kHz")
        frames = array.array("h", file.readframes(file.getnframes()))
    if frames[0::2] != frames[1::2]:
        fail("left and right differ")
    return frames[0::2]


def tones(frames):
    """The parts that are not silent: (first, last)."""
    found, first, last = [], None, 0
    for i, level in enumerate(frames):
        if abs(level) > QUIET:
            if first is None:
                first = i
            last = i
        elif first is not None and i - last > SILENCE * RATE:
            found.append((first, last))
            first = None
    if first is not None:
        found.append((first, last))
    return found


def frequency(frames):
    """By the first and the last time that it crosses zero upwards."""
    crossings = [i + frames[i] / (frames[i] - frames[i + 1])
                 for i in range(len(frames) - 1) if frames[i] < 0 <= frames[i + 1]]
    return (len(crossings) - 1) * RATE / (crossings[-1] - crossings[0])


def check(name, frames, is_sine):
    """`frames` of one tone."""
    seconds = len(frames) / RATE
    middle = frames[EDGE:-EDGE]
    found = frequency(middle)
    print(f"{name}: {found:.3f} Hz for {seconds:.3f} s")
    if abs(found - FREQUENCY) > (0.05 if is_sine else 0.5):
        fail(f"{name}: {found} Hz instead of {FREQUENCY}")
    if abs(seconds - SECONDS) > 0.1:
        fail(f"{name}: {seconds} s instead of {SECONDS}")
    if not is_sine:
        return
    # A crackle bends the wave more than anything in a sine.
    bend = max(abs(middle[i + 1] - 2 * middle[i] + middle[i - 1])
               for i in range(1, len(middle) - 1))
    largest = AMPLITUDE * (2 * math.pi * FREQUENCY / RATE) ** 2
    print(f"{name}: bends by {bend}, a sine by {largest:.1f}")
    if bend > largest * 1.1 + 3:
        fail(f"{name}: it crackles")
    if abs(max(middle) - AMPLITUDE) > AMPLITUDE * 0.01:
        fail(f"{name}: its level is {max(middle)}")


def main():
    """The test."""
    program, fetch_guest, flavour, runs = sys.argv[1:]
    kernel = boot.fetch(fetch_guest, flavour)
    hashes = set()
    with tempfile.TemporaryDirectory(prefix="faumachine-sound-") as folder:
        disk = make_guest(folder, kernel)
        sound = os.path.join(folder, "sound.wav")
        for _ in range(int(runs)):
            play(program, kernel, disk, sound)
            with open(sound, "rb") as file:
                hashes.add(hashlib.sha256(file.read()).hexdigest())
        if len(hashes) != 1:
            fail("two runs sound differently")
        frames = read(sound)
    found = tones(frames)
    if len(found) != 3:
        fail(f"{len(found)} tones instead of 3: {found}")
    for name, (first, last) in zip(("AC97", "Sound Blaster 16", "speaker"), found):
        check(name, frames[first:last + 1], name != "speaker")


main()
