#!/usr/bin/env python3
"""Outcomes of experiments, each by a fault that leads to it; and faumachine campaign
replay, which carries them out once more.

    replay_test.py PROGRAM GUEST OUTCOMES

OUTCOMES is tests/campaign/outcomes.asm.
"""

import json
import os
import re
import subprocess
import sys
import unittest

# pylint: disable=wrong-import-position
import campaigns
from campaigns import OUTCOMES, PROGRAM
import harness
import qmp

# What comes of an experiment, and its fault; they come while the guest waits.
CASES = [
    ("sdc", "target=ram,address=0x200000,model=flip,bit=0"),
    ("masked", "target=ram,address=0x200004,model=flip,bit=0"), # it reads it, to no effect
    ("not-activated", "target=ram,address=0x200008,model=flip,bit=0"), # overwritten
    ("not-activated", "target=ram,address=0x200020,model=flip,bit=0"), # nobody uses it
    ("hang", "target=ram,address=0x20000c,model=flip,bit=0"),
    ("crash", "target=ram,address=0x200010,model=flip,bit=0"), # a triple fault
    ("crash", "target=ram,address=0x200014,model=flip,bit=0"), # halted for ever
    ("crash", "target=power,model=cut"),
    ("detected", "target=ram,address=0x200018,model=flip,bit=0"),
    ("corrected", "target=ram,address=0x20001c,model=flip,bit=0"),
    ("sdc", "target=ram,address=0x200024,model=flip,bit=0"), # expect() does not hold
    ("masked", "target=register,name=ecx,model=flip,bit=8"), # it only waits longer
    ("not-injected", "target=ram,address=0x200000,model=flip,bit=0,when=execute:0xdead0000"),
    ("not-injected", "target=ram,address=0x200000,model=flip,bit=0,when=time:1s"),
    ("error", "target=ram,address=0x200000,model=flip,bit=99"),
    ("detected", "target=ram,address=0x200004,model=flip,bit=0",
     "target=ram,address=0x200018,model=flip,bit=0"),
    ("masked",), # none at all
]
SCRIPT = """
machine {memory = "4M", bios = setting("guest"), nodefaults = true, no_reboot = true,
         device = "isa-debug-exit,iobase=0xf4"}
wait_for("!")
local at = ",when=instruction:" .. instructions() + 100
local CASES = {%s}
trial {
    faults = function(draw)
        local texts = {}
        for i, text in ipairs(CASES[draw.number + 1]) do
            texts[i] = text:find("when=") and text or text .. at
        end
        return texts
    end,
    run = function()
        local line = wait_for_line("^.+$")
        if line == "D" then outcome("detected", "a copy is another") end
        if line == "C" then outcome("corrected") end
        record("shown", line)
        run_until_end()
        expect(read_u32(0x200024) == 0, "memory has changed")
    end,
}
""" % ",".join("{" + ",".join(f'"{text}"' for text in case[1:]) + "}" for case in CASES)
SETTING = ("--set-file", "guest=" + OUTCOMES)
# The guest's registers, as gdb counts them.
ECX, EIP = 1, 8


class TestCase(campaigns.TestCase):
    """One campaign that all look at."""

    def setUp(self):
        super().setUp()
        self.database = self.path("t.db")
        self.name = self.script(SCRIPT)
        self.run_well(self.name, *SETTING, "-n", str(len(CASES)), "-j", "2", "--db",
                      self.database)

    def replay(self, *options, status=0):
        """Replays; returns what it prints."""
        result = subprocess.run(
            [PROGRAM, "campaign", "replay", "--db", self.database, *options],
            cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            stdin=subprocess.DEVNULL, timeout=campaigns.LIMIT_S, check=False)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result.stdout if status == 0 else result.stdout + result.stderr


class Outcomes(TestCase):
    """What is stored, and what comes of it again."""

    def test_outcomes(self):
        """Each is what its fault leads to, and its row tells why."""
        rows = self.rows(self.database)
        self.assertEqual([row["outcome"] for row in rows], [case[0] for case in CASES])
        for row, case in zip(rows, CASES):
            texts = (row["fault"] or "").splitlines()
            self.assertEqual(len(texts), len(case) - 1)
            for text, expected in zip(texts, case[1:]):
                self.assertTrue(text.startswith(expected), text)
            self.assertEqual(row["same_as"], None)
        found = {key: [row[key] for row in rows] for key in rows[0]}
        self.assertEqual(found["output"],
                         ["0badcaff\n", None, None, None, "", "", "", "", "D\n", "C\n",
                          None, None, None, None, "", "D\n", None])
        self.assertEqual(found["activation"][:5],
                         ["yes", "yes", "overwritten", "no", "yes"])
        self.assertEqual(found["detail"][8], "a copy is another")
        self.assertIn("t.lua:21: memory has changed", found["detail"][10])
        self.assertIn("the trial is not over within", found["detail"][4])
        self.assertIn("bit=99", found["detail"][14])
        self.assertEqual(found["injected"][:2] + found["injected"][12:14], [1, 1, 0, 0])
        self.assertEqual(found["location"][11], "ecx")
        self.assertEqual(len(json.loads(found["faults"][15])), 2)
        self.assertEqual(self.header(self.database)["golden_output"], "0badcafe\n")
        self.assertEqual(self.header(self.database)["golden_end"], "debug-exit")
        self.assertEqual(json.loads(self.header(self.database)["golden_values"]),
                         {"shown": "0badcafe"})

    def test_replay(self):
        """Each comes to the same end, with each engine, and in another folder."""
        for number, row in enumerate(self.rows(self.database)):
            if row["outcome"] == "error" or not row["fault"]:
                continue
            engine = () if number % 2 else ("--engine", campaigns.OTHER_ENGINE)
            text = self.replay(str(number), *engine)
            self.assertIn(f"experiment     {number}: {row['outcome']}\n", text)
            self.assertIn(f"end state      {row['hash']}\n", text)
            self.assertTrue(text.endswith("replay         the same end state\n"), text)

    def test_log(self):
        """Consoles as files."""
        self.replay("0", "--log", self.path("log"))
        with open(self.path("log/serial0.log"), "rb") as log:
            self.assertEqual(log.read(), b"!0badcaff\n")

    def test_mistakes(self):
        """A line for each."""
        for words, hint in {
                (): "give it the number",
                ("one",): "the experiment one: give a number",
                ("-1",): "-1",
                ("1", "2"): "one word too many",
                ("99",): "has no experiment 99 that can be replayed",
                ("1", "--engine", "vroom"): "there are jit and interpreter",
                ("1", "--gdb", "nonsense"): "nonsense",
                ("1", "--log", "/proc/x"): "/proc/x",
                ("1", "--verbose"): "unknown option",
                ("1", "--db", self.path("none.db")): "none.db",
        }.items():
            with self.subTest(words):
                self.assertRegex(self.replay(*words, status=1),
                                 rf"\Afaumachine: [^\n]*{re.escape(hint)}[^\n]*\n\Z")

    def test_changes(self):
        """A script, or a guest, that is not what it was."""
        self.script(SCRIPT + "-- changed\n")
        text = self.replay("0")
        self.assertIn("the same end state", text)
        self.script(SCRIPT.replace("run_until_end()", 'run_for("1 ns")'))
        text = self.replay("0", status=2)
        self.assertIn("t.lua has changed since\n", text)
        self.assertIn("replay         DIFFERENT\n  before       ", text)
        os.unlink(self.path("t.lua"))
        self.assertIn("t.lua", self.replay("0", status=1))


class Debugger(TestCase):
    """A replay that waits for gdb."""

    def start_replay(self, number):
        """Begins one; returns the process and the connection."""
        path = self.path(f"gdb{number}")
        process = self.start_plain(
            "campaign", "replay", "--db", self.database, str(number), "--gdb",
            "unix:" + path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        harness.read_until(process.stderr.fileno(), b"waiting for gdb")
        client = qmp.Socket(path)
        self.addCleanup(client.close)
        return process, client

    def ask(self, client, packet):
        """Sends a packet; returns the answer without its frame."""
        data = packet.encode()
        client.send(b"$" + data + b"#%02x" % (sum(data) & 0xff))
        return client.read_until(rb"\+\$[^#]*#..")[2:-3].decode()

    def register(self, client, number):
        """A register's value."""
        return int.from_bytes(bytes.fromhex(self.ask(client, f"p{number:x}")), "little")

    def finish_replay(self, process, client):
        """Lets it go on, alone."""
        self.ask(client, "D")
        client.close()
        output, _ = process.communicate(timeout=campaigns.LIMIT_S)
        self.assertEqual(process.returncode, 0, output)
        self.assertIn(b"the same end state", output)

    def test_memory(self):
        """It stands still at power-on, and where the wrong value has just come."""
        row = self.rows(self.database)[0]
        process, client = self.start_replay(0)
        self.assertEqual(self.register(client, EIP), 0xfff0)
        self.assertEqual(self.ask(client, "m200000,4"), "00000000")
        self.assertRegex(self.ask(client, "vCont;c"), "^T0")
        self.assertEqual(f"{self.register(client, EIP):08x}",
                         row["injected_place"][:8])
        self.assertEqual(self.ask(client, "m200000,4"), "ffcaad0b")
        self.finish_replay(process, client)

    def test_register(self):
        """One step on, it is what comes of the wrong value."""
        row = self.rows(self.database)[11]
        process, client = self.start_replay(11)
        self.ask(client, "vCont;c")
        place, ecx = self.register(client, EIP), self.register(client, ECX)
        self.assertEqual(f"{place:08x}", row["injected_place"][:8])
        self.assertEqual(json.loads(row["faults"])[0]["reason"],
                         f"0x{ecx ^ 0x100:08x} -> 0x{ecx:08x}")
        self.assertEqual(self.ask(client, "s"), "T05thread:01;")
        self.assertEqual(self.register(client, EIP), place)
        self.assertEqual(self.register(client, ECX), ecx - 1)
        self.finish_replay(process, client)

    def test_detach(self):
        """Without gdb nothing holds it."""
        process, client = self.start_replay(0)
        self.ask(client, "s")
        self.finish_replay(process, client)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
