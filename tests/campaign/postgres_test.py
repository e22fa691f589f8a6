#!/usr/bin/env python3
"""Results of campaigns in PostgreSQL: those tests of results_test.c that hold for any
database, and a report, on a server of their own.

    postgres_test.py PROGRAM RESULTS_TEST MAKE_RESULTS
"""

import csv
import glob
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, RESULTS_TEST, MAKE_RESULTS = (os.path.abspath(argument)
                                       for argument in sys.argv[1:4])
LIMIT_S = 120
SKIPPED = 77
SCHEMAS = 12
ROWS = 300


def find_server():
    """The folder of the server's programs, the newest version's, or None."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"),
                     key=lambda path: int(path.split("/")[-2]))
    found = shutil.which("initdb")
    return folders[-1] if folders else os.path.dirname(found) if found else None


def run(*words, **keywords):
    """Runs a program that has to succeed; returns what it prints."""
    result = subprocess.run(words, timeout=LIMIT_S, check=False, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **keywords)
    if result.returncode != 0:
        raise AssertionError(f"{words}: {result.stdout!r} {result.stderr!r}")
    return result.stdout.decode()


class Postgres(unittest.TestCase):
    """One server for all tests: its socket is a file, and nobody else has it."""

    @classmethod
    def setUpClass(cls):
        # pylint: disable=consider-using-with
        cls.folder = tempfile.TemporaryDirectory(prefix="faumachine-postgres-")
        cls.addClassCleanup(cls.folder.cleanup)
        # The server refuses to be root's.
        own = {"user": "nobody", "group": "nogroup", "extra_groups": []} \
            if os.getuid() == 0 else {}
        if own:
            shutil.chown(cls.folder.name, "nobody")
        data = os.path.join(cls.folder.name, "data")
        programs = pathlib.Path(find_server())
        run(programs / "initdb", "--auth=trust", "--no-sync", "--no-locale",
            "--encoding=UTF8", "--username=tester", data, cwd=cls.folder.name, **own)
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", cls.folder.name, "-F",
             "-c", "listen_addresses="], cwd=cls.folder.name, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **own)

        def end():
            server.terminate()
            server.wait(LIMIT_S)
        cls.addClassCleanup(end)
        cls.address = f"postgresql://tester@/postgres?host={cls.folder.name}"
        deadline = time.monotonic() + LIMIT_S
        while subprocess.run([programs / "pg_isready", "-q", "-h", cls.folder.name],
                             timeout=LIMIT_S, check=False).returncode != 0:
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("the server does not start")
            time.sleep(0.05)
        names = [f"t{number}" for number in range(SCHEMAS)] + ["report", "others"]
        run(programs / "psql", "-q", "-d", cls.address, "-c",
            "".join(f"CREATE SCHEMA {name};" for name in names) +
            "CREATE TABLE others.notes (text TEXT)")

    def schema(self, name):
        """The address of one campaign."""
        return f"{self.address}&options=-csearch_path%3D{name}"

    def test_results(self):
        """The tests of all databases."""
        run(RESULTS_TEST, env={**os.environ, "FAUMACHINE_POSTGRES": self.address})

    def test_report(self):
        """The same report as of a file, but for the name."""
        name = os.path.join(self.folder.name, "a.db")
        run(MAKE_RESULTS, name, str(ROWS))
        run(MAKE_RESULTS, self.schema("report"), str(ROWS))
        reports = [run(PROGRAM, "campaign", "report", "--db", database, "--csv", "-")
                   for database in (name, self.schema("report"))]
        self.assertEqual(len(list(csv.reader(io.StringIO(reports[0])))), ROWS + 1)
        self.assertEqual(reports[0], reports[1])
        shown = run(PROGRAM, "campaign", "report", "--db",
                    self.schema("report").replace("tester", "tester:secret"))
        self.assertIn("tester@", shown)
        self.assertNotIn("secret", shown)

    def test_refused(self):
        """One line each."""
        for database, hint in ((self.schema("none"), "is empty"),
                               (self.schema("others"), "not of a campaign"),
                               ("postgresql://x:secret@/?host=/nowhere", "/nowhere")):
            result = subprocess.run([PROGRAM, "campaign", "report", "--db", database],
                                    timeout=LIMIT_S, check=False, stderr=subprocess.PIPE)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
            self.assertIn(hint, result.stderr.decode())
            self.assertNotIn("secret", result.stderr.decode())


if __name__ == "__main__":
    if not find_server():
        print("skipped: needs the package postgresql")
        sys.exit(SKIPPED)
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
