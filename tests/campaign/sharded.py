"""Campaigns of a small guest, for tests of several processes that carry one out."""

import csv
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
# pylint: disable=wrong-import-position
import engine

LIMIT_S = 100
SKIPPED = engine.SKIPPED
SCRIPT = """
machine {memory = "8M", bios = "guest.bin", nodefaults = true, no_reboot = true,
         device = "isa-debug-exit,iobase=0xf4", engine = "%s"}
wait_for("!")
trial {
    faults = {
        {target = "ram", address = 0x200000, bytes = 64},
        {target = "register", name = {"eax", "ecx", "esp", "eflags"}},
    },
    run = function()
        local why, status = run_until_end()
        record("status", status)
    end,
}
"""
# What depends on who has carried it out.
VARYING = {"worker", "host_ms"}


class Campaigns:
    """Campaigns of one script, in a folder."""

    def __init__(self, program, guest, folder):
        self.program = os.path.abspath(program)
        self.folder = pathlib.Path(folder)
        self.script = self.folder / "t.lua"
        shutil.copy(guest, self.folder / "guest.bin")
        self.script.write_text(SCRIPT % engine.options(self.program)[1], encoding="ascii")

    def command(self, database, count, *options):
        """One that carries out a campaign."""
        return [self.program, "campaign", "run", self.script, "--db", database,
                "-n", str(count), *options]

    def run(self, database, count, *options):
        """Carries it out."""
        run(*self.command(database, count, "-j", "1", *options))

    def run_shards(self, database, count, shards, *options):
        """All at the same moment; each has to succeed."""
        processes = [
            subprocess.Popen(self.command(database, count, "-j", "1", "--shard",
                                          f"{shard}/{shards}", *options),
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for shard in range(1, shards + 1)]
        said = [process.communicate(timeout=LIMIT_S)[1] for process in processes]
        for process, text in zip(processes, said):
            if process.returncode != 0:
                raise AssertionError(f"status {process.returncode}: {text}")

    def rows(self, database):
        """All experiments, each as what does not depend on who has carried it out."""
        table = run(self.program, "campaign", "report", "--db", database, "--csv", "-")
        return [{key: value for key, value in row.items() if key not in VARYING}
                for row in csv.DictReader(io.StringIO(table))]

    def report(self, database):
        """The summary, but for the database's name and times."""
        text = run(self.program, "campaign", "report", "--db", database)
        text = re.sub(r"^database.*\n( .*\n)*", "", text, flags=re.MULTILINE)
        return re.sub(r"[0-9.]+\s+ms\s+of\s+a\s+core\s+each", "", text)


def run(*words, **keywords):
    """Runs a program that has to succeed; returns what it prints."""
    result = subprocess.run(words, timeout=LIMIT_S, check=False, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **keywords)
    if result.returncode != 0:
        raise AssertionError(f"{words}: {result.stdout!r} {result.stderr!r}")
    return result.stdout.decode()
