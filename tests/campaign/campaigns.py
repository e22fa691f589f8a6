"""What the tests of campaigns share: scripts, databases, processes.

    TEST PROGRAM GUEST OUTCOMES
"""

import os
import pathlib
import resource
import sqlite3
import subprocess
import sys
import time

OUTCOMES = os.path.abspath(sys.argv.pop(3))
sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
# pylint: disable=wrong-import-position
import harness
from harness import LIMIT_S, PROGRAM

GUEST = harness.BIOS
ENGINE = harness.ENGINE[1]
OTHER_ENGINE = "jit" if ENGINE == "interpreter" else "interpreter"
# What depends on the host.
VOLATILE = {"worker", "host_ms"}


def children(process):
    """The numbers of a process's children."""
    try:
        with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return []


def file_limit(kib):
    """For a new process: no file may be larger."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (kib << 10, kib << 10))


class TestCase(harness.TestCase):
    """Carries out campaigns."""

    def setUp(self):
        super().setUp()
        self.made = 0

    def script(self, text, name="t.lua"):
        """Stores a script; returns its name as it is to be given."""
        self.make_file(name, content=text.encode())
        return name

    def words(self, options):
        """A command line; with the engine under test unless it names another."""
        engine = [] if "--engine" in options else ["--engine", ENGINE]
        return ["campaign", "run", *engine, *options]

    def run_campaign(self, *options, **keywords):
        """Runs one to its end."""
        return subprocess.run([PROGRAM, *self.words(options)], cwd=self.folder.name, check=False,
                              timeout=LIMIT_S, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              errors="replace", **keywords)

    def start_campaign(self, *options, **keywords):
        """Starts one."""
        return self.start_plain(*self.words(options), cwd=self.folder.name,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, **keywords)

    def run_well(self, *options):
        """Runs one that has to be carried out; returns what it says."""
        result = self.run_campaign(*options)
        self.assertEqual((result.returncode, result.stdout), (0, ""), result.stderr)
        return result.stderr

    def finish(self, *options):
        """The rows of one that is carried out in a database of its own."""
        self.made += 1
        database = self.path(f"made{self.made}.db")
        self.run_well(*options, "--db", database)
        return self.rows(database)

    def refuse(self, hints, *options, **keywords):
        """Runs one that comes to an end with a line that says all of this."""
        result = self.run_campaign(*options, **keywords)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        lines = [line for line in result.stderr.splitlines() if " of " not in line[:12]]
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertRegex(lines[0], "^faumachine: ")
        for hint in [hints] if isinstance(hints, str) else hints:
            self.assertIn(hint, lines[0])

    def query(self, database, text):
        """What a query returns, or nothing if there is no such table yet."""
        connection = sqlite3.connect(database, timeout=LIMIT_S)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(text)]
        except sqlite3.OperationalError:
            return []
        finally:
            connection.close()

    def rows(self, database):
        """Its experiments, without what depends on the host."""
        return [{key: value for key, value in row.items() if key not in VOLATILE}
                for row in self.query(database, "SELECT * FROM experiments ORDER BY number")]

    def header(self, database):
        """What it is."""
        return {row["key"]: row["value"]
                for row in self.query(database, "SELECT * FROM campaign")}

    def wait(self, process, what, find):
        """Waits for find() while the process runs; returns what that has found."""
        deadline = time.monotonic() + LIMIT_S
        while not (found := find()) and process.poll() is None:
            self.assertLess(time.monotonic(), deadline, "no " + what)
            time.sleep(0.003)
        return found

    def wait_for_rows(self, process, database, more_than=0):
        """Until there are more rows, or the process ends."""
        self.wait(process, "rows", lambda: os.path.exists(database) and len(
            self.query(database, "SELECT number FROM experiments")) > more_than)

    def wait_for_children(self, process):
        """Until it has workers."""
        return self.wait(process, "workers", lambda: children(process.pid))

    def wait_for_end(self, process):
        """Until the process, no child of ours, is gone."""
        deadline = time.monotonic() + LIMIT_S
        while os.path.exists(f"/proc/{process}"):
            try:
                if harness.status(f"/proc/{process}/status")["State"][0] == "Z":
                    return
            except FileNotFoundError:
                return
            self.assertLess(time.monotonic(), deadline, f"{process} lives on")
            time.sleep(0.003)
