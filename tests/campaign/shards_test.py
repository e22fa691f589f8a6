#!/usr/bin/env python3
"""faumachine campaign run --shard: processes that carry out a campaign together come to
what one would, also if they are interrupted.

    shards_test.py PROGRAM GUEST
"""

import contextlib
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

from sharded import LIMIT_S, Campaigns

PROGRAM, GUEST = sys.argv[1:3]
SHARDS = 8
ROUNDS = 4
PRUNED_ROUNDS = 1
COUNT = 96
PRUNED_COUNT = 600
MANY = 100000


def key_of(database, key):
    """What the campaign says of itself."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        row = connection.execute("SELECT value FROM campaign WHERE key = ?",
                                 (key,)).fetchone()
    return row and row[0]


def stored(database):
    """Numbers of experiments, and how many are errors."""
    if not database.exists():
        return 0, 0
    with contextlib.closing(sqlite3.connect(database, timeout=LIMIT_S)) as connection:
        try:
            return connection.execute("SELECT count(*), coalesce(sum(outcome = 'error'), 0)"
                                      " FROM experiments").fetchone()
        except sqlite3.OperationalError:
            return 0, 0


class Shards(unittest.TestCase):
    """Campaigns with the same seed."""

    def setUp(self):
        # pylint: disable=consider-using-with
        folder = tempfile.TemporaryDirectory(prefix="faumachine-shards-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.campaigns = Campaigns(PROGRAM, GUEST, folder.name)

    def check_together(self, rounds, count, *options):
        """Begun at the same moment, in a database that is not there yet."""
        alone = self.folder / "alone.db"
        self.campaigns.run(alone, count, *options)
        rows = self.campaigns.rows(alone)
        self.assertEqual(len(rows), count)
        for number in range(rounds):
            together = self.folder / f"{number}.db"
            self.campaigns.run_shards(together, count, SHARDS, *options)
            self.assertEqual(rows, self.campaigns.rows(together))
            self.assertEqual(self.campaigns.report(alone), self.campaigns.report(together))
            self.assertTrue(key_of(together, "finished"))
        return rows

    def test_together(self):
        self.check_together(ROUNDS, COUNT)

    def test_together_pruned(self):
        """A class costs one experiment, whatever shards its points are in."""
        rows = self.check_together(PRUNED_ROUNDS, PRUNED_COUNT, "--prune")
        shared = [(int(row["same_as"]), int(row["number"])) for row in rows
                  if row["same_as"] not in ("", row["number"])]
        self.assertTrue(any((one - other) % SHARDS for one, other in shared))

    def test_finished(self):
        """It is when all shards are; it is not any more when there are to be more."""
        database = self.folder / "a.db"
        self.campaigns.run(database, COUNT, "--shard", "1/2")
        self.assertFalse(key_of(database, "finished"))
        self.campaigns.run(database, COUNT, "--shard", "2/2")
        when = key_of(database, "finished")
        self.assertTrue(when)
        time.sleep(1.1)
        self.campaigns.run(database, COUNT)
        self.assertEqual(key_of(database, "finished"), when)
        self.campaigns.run(database, COUNT + 20, "--shard", "2/2")
        self.assertFalse(key_of(database, "finished"))
        self.campaigns.run(database, COUNT + 20, "--shard", "1/2")
        self.assertGreater(key_of(database, "finished"), when)

    def interrupt(self, database):
        """Ends a campaign as clusters do: all processes of the job get the signal, in
        whatever order."""
        with subprocess.Popen(
                self.campaigns.command(database, MANY, "-j", "2"),
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                start_new_session=True) as process:
            before, deadline = stored(database)[0], time.monotonic() + LIMIT_S
            while stored(database)[0] == before and process.poll() is None:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
            for worker in children.read_text(encoding="ascii").split():
                os.kill(int(worker), signal.SIGTERM)
            time.sleep(0.1)
            os.killpg(process.pid, signal.SIGTERM)
            said = process.communicate(timeout=LIMIT_S)[1]
        self.assertEqual(process.returncode, 3, said)
        self.assertIn("the same command goes on", said)
        return stored(database)

    def test_interrupted(self):
        """What is done is kept, and nothing is taken for an experiment's failure."""
        database = self.folder / "a.db"
        for _ in range(3):
            done, errors = self.interrupt(database)
            self.assertEqual(errors, 0)
            self.assertLess(done, MANY)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
