#!/usr/bin/env python3
"""docs/faults.md and the program name the same targets, models, triggers and keys.

    docs_test.py PROGRAM DOCUMENT
"""

import re
import subprocess
import sys
import unittest

PROGRAM = sys.argv[1]
with open(sys.argv[2], encoding="utf-8") as document:
    TEXT = document.read()


def complaint(fault):
    """What the program says of a fault that it does not take."""
    completed = subprocess.run([PROGRAM, "-fault", fault], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               text=True, timeout=20, check=False)
    assert completed.returncode == 1, fault
    return completed.stderr


def names_after(text, words):
    """What is listed behind these words: "a, b, c" or "a, b and c"."""
    return set(re.findall(r"[\w-]+", text.split(words)[1].replace(" and ", ", ")))


def table(title):
    """The cells of the first table under a heading, a list for each row."""
    section = TEXT.split(f"\n### {title}\n")[1].split("\n#")[0]
    rows = [line.strip("|").split(" | ") for line in section.split("\n")
            if line.startswith("|")]
    return rows[2:]


def code(cell):
    """What is in backquotes."""
    return re.findall(r"`([^`]*)`", cell)


class Document(unittest.TestCase):
    """Tables against messages."""

    def test_targets_and_models(self):
        described, before = {}, set()
        for target, models, _ in table("Targets and models"):
            before = before if "likewise" in models else set(code(models))
            described[code(target)[0]] = before
        known = names_after(complaint("target="), "the targets are")
        self.assertEqual(known, set(described))
        for target, models in described.items():
            self.assertEqual(names_after(complaint(f"target={target},model="),
                                         "the models are"), models, target)

    def test_triggers(self):
        described = {re.match(r"\w+", word)[0] for row in table("Triggers")
                     for word in code(row[0])}
        message = complaint("target=ram,model=flip,address=0,when=never")
        known = set(re.findall(r"(\w+)(?=:[A-Z, ]|: or)", message.split("it can be")[1]))
        self.assertEqual(known | {"now"}, described)

    def test_keys(self):
        """Each that the program knows is explained."""
        mentioned = {re.match(r"[\w-]*", word)[0] for word in re.findall(r"`([^`]*)`", TEXT)}
        examples = {
            "ram": "model=flip,address=0", "register": "model=flip,name=eax",
            "code": "model=flip", "tlb": "model=flip,address=0",
            "port": "model=lost,address=0", "mmio": "model=lost,address=0",
            "dma": "model=lost", "irq": "model=lost", "disk": "model=error",
            "network": "model=lost", "serial": "model=lost",
            "clock": "model=stop,for=1", "power": "model=reset"}
        self.assertEqual(names_after(complaint("target="), "the targets are"),
                         set(examples))
        for target, example in examples.items():
            message = complaint(f"target={target},{example},colour=1")
            self.assertEqual(set(), names_after(message, "there are") - mentioned,
                             target)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
