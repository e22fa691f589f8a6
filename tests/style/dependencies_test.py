#!/usr/bin/env python3
"""Checks from the #include lines that every room uses only itself and rooms above it.

The rooms and their order are the table in ARCHITECTURE.md. Of the engines, each stands on
those above it in the table: direct execution on the JIT, both on the interpreter. Run: dependencies_test.py SOURCE_ROOT
"""

import pathlib
import re
import sys
import tempfile
import unittest

SOURCE_ROOT = pathlib.Path(__file__).resolve().parents[2]
SUFFIXES = {".c", ".h", ".S", ".inc", ".def"}
ROOM_ROW = re.compile(r"^\|\s*`(src/[a-z0-9_/]+)`\s*\|", re.MULTILINE)
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def read_rooms(architecture):
    """The rooms in the order of the table, low to high."""
    return ROOM_ROW.findall(architecture)


def room_of(path, rooms):
    """The room that `path` ("src/cpu/mmu/mmu.h") lies in, or None."""
    around = [room for room in rooms if path.startswith(room + "/")]
    return max(around, key=len, default=None)


def may_include(room, other, rooms):
    if room == other:
        return True
    return rooms.index(other) < rooms.index(room)


def check_file(path, text, rooms):
    """Yields a line for each #include of `path` that is not allowed."""
    room = room_of(path, rooms)
    if room is None:
        yield f"{path}: lies in no room of ARCHITECTURE.md"
        return
    for name in INCLUDE.findall(text):
        other = room_of("src/" + name, rooms)
        if other is None:
            yield f'{path}: "{name}" is not a path in a room, relative to src/'
        elif not may_include(room, other, rooms):
            yield f'{path}: {room} may not use {other} ("{name}")'


def check_tree(root):
    rooms = read_rooms((root / "ARCHITECTURE.md").read_text())
    complaints = []
    for path in sorted((root / "src").rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            name = path.relative_to(root).as_posix()
            complaints += check_file(name, path.read_text(), rooms)
    return rooms, complaints


class Rules(unittest.TestCase):
    ROOMS = ["src/base", "src/cpu/core", "src/cpu/interpreter", "src/cpu/jit",
             "src/cpu/direct", "src/devices", "src/host", "src/machine"]

    def complaints(self, path, *includes):
        text = "".join(f'#include "{name}"\n' for name in includes)
        return list(check_file(path, "#include <stdio.h>\n" + text, self.ROOMS))

    def test_down_is_allowed(self):
        self.assertEqual([], self.complaints(
            "src/machine/pc.c", "machine/pc.h", "host/loop.h", "devices/pit.h",
            "cpu/core/cpu.h", "base/types.h"))

    def test_up_is_refused(self):
        self.assertEqual(
            ['src/cpu/core/cpu.c: src/cpu/core may not use src/devices '
             '("devices/pit.h")'],
            self.complaints("src/cpu/core/cpu.c", "devices/pit.h"))
        self.assertEqual(1, len(self.complaints("src/devices/a.c", "host/loop.h")))

    def test_rooms_within_rooms(self):
        self.assertEqual([], self.complaints("src/host/storage/b.c", "host/loop.h"))

    def test_engines_stand_on_each_other(self):
        self.assertEqual([], self.complaints("src/cpu/direct/a.c", "cpu/jit/a.h",
                                             "cpu/interpreter/step.h"))
        self.assertEqual(1, len(self.complaints("src/cpu/jit/a.c", "cpu/direct/a.h")))
        self.assertEqual(1, len(self.complaints("src/cpu/interpreter/a.c",
                                                "cpu/jit/a.h")))

    def test_names_outside_rooms(self):
        self.assertEqual(1, len(self.complaints("src/attic/a.c")))
        self.assertEqual(1, len(self.complaints("src/base/a.c", "types.h")))
        self.assertEqual(1, len(self.complaints("src/base/a.c", "attic/types.h")))

    def test_table(self):
        table = "| room | what |\n|---|---|\n| `src/base` | x |\n| `src/cpu/core` | y |\n"
        self.assertEqual(["src/base", "src/cpu/core"], read_rooms(table))

    def test_a_bad_tree_is_found_out(self):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            (root / "ARCHITECTURE.md").write_text("| `src/base` | |\n| `src/bus` | |\n")
            (root / "src/base").mkdir(parents=True)
            (root / "src/base/types.h").write_text('#include "bus/port.h"\n')
            self.assertEqual(1, len(check_tree(root)[1]))


class Tree(unittest.TestCase):
    def test_rooms_exist(self):
        rooms, _ = check_tree(SOURCE_ROOT)
        self.assertGreater(len(rooms), 10)
        for room in rooms:
            self.assertTrue((SOURCE_ROOT / room).is_dir(), room)

    def test_includes(self):
        _, complaints = check_tree(SOURCE_ROOT)
        self.assertEqual([], complaints, "\n" + "\n".join(complaints))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        SOURCE_ROOT = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
