#!/usr/bin/env python3
"""Results of campaigns in PostgreSQL: those tests of results_test.c that hold for any
database, a report, and campaigns by several processes, on a server of their own.

    postgres_test.py PROGRAM RESULTS_TEST MAKE_RESULTS [GUEST]
"""

import csv
import glob
import io
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from sharded import SKIPPED, Campaigns, run

PROGRAM, RESULTS_TEST, MAKE_RESULTS = (os.path.abspath(argument)
                                       for argument in sys.argv[1:4])
GUEST = sys.argv[4] if len(sys.argv) > 4 else None
LIMIT_S = 120
SCHEMAS = 13
ROWS = 300
SHARDS = 8
ROUNDS = 4
COUNT = 96
MANY = 100000


def find_server():
    """The folder of the server's programs, the newest version's, or None."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"),
                     key=lambda path: int(path.split("/")[-2]))
    found = shutil.which("initdb")
    return folders[-1] if folders else os.path.dirname(found) if found else None


class Postgres(unittest.TestCase):
    """One server for all tests: its socket is a file, and nobody else has it."""

    server = None

    @classmethod
    def setUpClass(cls):
        # pylint: disable=consider-using-with
        cls.folder = tempfile.TemporaryDirectory(prefix="faumachine-postgres-")
        cls.addClassCleanup(cls.folder.cleanup)
        # The server refuses to be root's.
        cls.own = {"user": "nobody", "group": "nogroup", "extra_groups": []} \
            if os.getuid() == 0 else {}
        if cls.own:
            shutil.chown(cls.folder.name, "nobody")
        cls.data = os.path.join(cls.folder.name, "data")
        cls.programs = pathlib.Path(find_server())
        run(cls.programs / "initdb", "--auth=trust", "--no-sync", "--no-locale",
            "--encoding=UTF8", "--username=tester", cls.data, cwd=cls.folder.name,
            **cls.own)
        cls.address = f"postgresql://tester@/postgres?host={cls.folder.name}"
        cls.addClassCleanup(cls.end_server)
        cls.start_server()
        names = [f"t{number}" for number in range(SCHEMAS)] + \
                [f"shards{number}" for number in range(ROUNDS)] + \
                ["report", "others", "gone"]
        run(cls.programs / "psql", "-q", "-d", cls.address, "-c",
            "".join(f"CREATE SCHEMA {name};" for name in names) +
            "CREATE TABLE others.notes (text TEXT)")

    @classmethod
    def start_server(cls):
        """Until it can be asked."""
        # pylint: disable=consider-using-with
        cls.server = subprocess.Popen(
            [cls.programs / "postgres", "-D", cls.data, "-k", cls.folder.name, "-F",
             "-c", "listen_addresses="], cwd=cls.folder.name, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **cls.own)
        deadline = time.monotonic() + LIMIT_S
        while subprocess.run([cls.programs / "pg_isready", "-q", "-h", cls.folder.name],
                             timeout=LIMIT_S, check=False).returncode != 0:
            if cls.server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("the server does not start")
            time.sleep(0.05)

    @classmethod
    def end_server(cls, how=signal.SIGTERM):
        """SIGTERM waits until nobody is connected any more."""
        if cls.server:
            cls.server.send_signal(how)
            cls.server.wait(LIMIT_S)
            cls.server = None

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

    def stored(self, name):
        """How many experiments a campaign has."""
        count = run(self.programs / "psql", "-A", "-t", "-d", self.address, "-c",
                    f"SELECT CASE WHEN to_regclass('{name}.experiments') IS NULL THEN 0 "
                    "ELSE 1 END")
        return int(count) and int(run(
            self.programs / "psql", "-A", "-t", "-d", self.address, "-c",
            f"SELECT count(*) FROM {name}.experiments"))

    @unittest.skipUnless(GUEST, "needs nasm")
    def test_shards(self):
        """Begun at the same moment in a database that is empty, they come to what one
        process does."""
        campaigns = Campaigns(PROGRAM, GUEST, self.folder.name)
        alone = os.path.join(self.folder.name, "alone.db")
        campaigns.run(alone, COUNT)
        for number in range(ROUNDS):
            together = self.schema(f"shards{number}")
            campaigns.run_shards(together, COUNT, SHARDS)
            self.assertEqual(campaigns.rows(alone), campaigns.rows(together))
            self.assertEqual(campaigns.report(alone), campaigns.report(together))

    @unittest.skipUnless(GUEST, "needs nasm")
    def test_server_gone(self):
        """One line for each, a status, and what was stored is there for the next time."""
        campaigns = Campaigns(PROGRAM, GUEST, self.folder.name)
        database, before = self.schema("gone"), 0
        for how in (signal.SIGINT, signal.SIGQUIT):  # fast, at once
            processes = [subprocess.Popen(
                campaigns.command(database, MANY, "-j", "1", "--shard", f"{shard}/2"),
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                for shard in (1, 2)]
            deadline = time.monotonic() + LIMIT_S
            while self.stored("gone") < before + 2:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            before = self.stored("gone")
            self.end_server(how)
            for process in processes:
                said = process.communicate(timeout=LIMIT_S)[1]
                self.assertEqual(process.returncode, 1, said)
                self.assertRegex(said, r"\A(\d+ of .*\n)*faumachine: .*the server has gone "
                                       r".*give the same command.*\n\Z")
            self.start_server()
            self.assertGreaterEqual(self.stored("gone"), before)
            before = self.stored("gone")


if __name__ == "__main__":
    if not find_server():
        print("skipped: needs the package postgresql")
        sys.exit(SKIPPED)
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2)
