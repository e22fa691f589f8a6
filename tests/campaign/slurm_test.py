#!/usr/bin/env python3
"""faumachine campaign submit --slurm: a job array carries out a campaign, also if tasks are
cancelled, or come to their time limit.

    slurm_test.py PROGRAM GUEST

Where Slurm's daemons cannot run the test is skipped.
"""

import contextlib
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

from sharded import SKIPPED, Campaigns, run
from slurm import Cluster, Unavailable

PROGRAM, GUEST = (os.path.abspath(argument) for argument in sys.argv[1:3])
LIMIT_S = 50
TASKS = 4
COUNT = 400
MANY = 1600
ATTEMPTS = 4
POLL_S = 0.02
STRANGE = "it's $(exit) \"a\"\n#SBATCH b"


class Slurm(unittest.TestCase):
    """One cluster for all tests."""

    cluster = None

    def setUp(self):
        # pylint: disable=consider-using-with
        folder = tempfile.TemporaryDirectory(prefix="faumachine-submit-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.deadline = time.monotonic() + LIMIT_S

    def submit(self, campaigns, database, count, *options):
        """The number of the job."""
        printed = run(PROGRAM, "campaign", "submit", "--slurm", campaigns.script, "--db",
                      database, "-n", str(count), "--tasks", str(TASKS), *options)
        return int(re.fullmatch(r"Submitted batch job (\d+)\n", printed)[1])

    def wait_until(self, condition):
        """Whatever it takes, within the limit."""
        while not condition():
            self.assertLess(time.monotonic(), self.deadline)
            time.sleep(POLL_S)

    def wait_for_end(self, job):
        """Of all its tasks."""
        self.wait_until(lambda: not self.cluster.states(job))

    def test_array(self):
        """What it comes to is what one process comes to, whatever names are like."""
        folder = self.folder / STRANGE
        folder.mkdir()
        campaigns = Campaigns(PROGRAM, GUEST, folder)
        alone, together = folder / "alone.db", folder / "a b.db"
        setting = ["--set", f"x={STRANGE}"]
        job = self.submit(campaigns, together, COUNT, "--cpus-per-task", "2", *setting,
                          "--slurm-option", f"comment={STRANGE.splitlines()[0]}")
        campaigns.run(alone, COUNT, *setting)
        self.wait_for_end(job)
        for number in range(1, TASKS + 1):
            task = self.cluster.task(job, number)
            self.assertEqual((task["JobState"], task["ExitCode"]), ("COMPLETED", "0:0"))
            self.assertEqual(task["JobName"], "t")
            self.assertEqual(task["NumCPUs"], "2")
            log = folder / "a b.db.slurm" / f"{job}_{number}.log"
            self.assertIn(f"{COUNT // TASKS} of {COUNT // TASKS}", log.read_text())
        self.assertEqual(campaigns.rows(alone), campaigns.rows(together))
        self.assertEqual(campaigns.report(alone), campaigns.report(together))

    def stored(self, database, number):
        """How many experiments of a task are."""
        with contextlib.closing(sqlite3.connect(database, timeout=LIMIT_S)) as connection:
            return connection.execute(
                "SELECT count(*) FROM experiments WHERE number % ? = ?",
                (TASKS, number - 1)).fetchone()[0]

    def interrupt(self, campaigns, database):
        """The job, one of whose tasks was cancelled, and one told that its time is over,
        when both had begun; None: they were done before."""
        cancelled, limited = 2, 3
        job = self.submit(campaigns, database, MANY, "--requeue")
        self.wait_until(lambda: self.stored(database, cancelled)
                        and self.stored(database, limited))
        run("scancel", f"{job}_{cancelled}")
        run("scancel", "--batch", "--signal=USR1", f"{job}_{limited}")
        self.wait_until(lambda: self.cluster.states(job).get(limited) != "RUNNING")
        self.wait_until(lambda: cancelled not in self.cluster.states(job))
        if self.cluster.task(job, cancelled)["JobState"] == "COMPLETED" or \
                self.cluster.task(job, limited)["JobState"] == "COMPLETED":
            self.wait_for_end(job)
            return None
        self.assertEqual(self.cluster.task(job, cancelled)["JobState"], "CANCELLED")
        # Slurm lets some time go by before a task is started again.
        self.wait_until(lambda: self.cluster.states(job).get(limited) == "PENDING")
        run("scontrol", "update", f"JobId={job}_{limited}", "StartTime=now")
        self.wait_for_end(job)
        task = self.cluster.task(job, limited)
        self.assertEqual((task["JobState"], task["Restarts"]), ("COMPLETED", "1"))
        self.assertLess(self.stored(database, cancelled), MANY // TASKS)
        self.assertEqual(self.stored(database, limited), MANY // TASKS)
        return job

    def test_interrupted(self):
        """Each goes on where it was; the one that was cancelled, when it is told to."""
        campaigns = Campaigns(PROGRAM, GUEST, self.folder)
        for number in range(ATTEMPTS):
            together = self.folder / f"{number}.db"
            job = self.interrupt(campaigns, together)
            if job:
                break
        self.assertTrue(job, "they were always done too early")
        job = self.submit(campaigns, together, MANY, "--requeue")
        script = (self.folder / f"{together}.slurm" / "job.sh").read_text()
        self.assertIn("#SBATCH --array=2\n", script)
        self.wait_for_end(job)
        alone = self.folder / "alone.db"
        campaigns.run(alone, MANY)
        self.assertEqual(campaigns.rows(alone), campaigns.rows(together))

    def test_failed(self):
        """A task that cannot do it has the status that says so, and a line in its log."""
        campaigns = Campaigns(PROGRAM, GUEST, self.folder)
        campaigns.script.write_text('error("no such thing")', encoding="ascii")
        database = self.folder / "a.db"
        job = self.submit(campaigns, database, TASKS, "--logs", self.folder / "logs")
        self.wait_for_end(job)
        task = self.cluster.task(job, 1)
        self.assertEqual((task["JobState"], task["ExitCode"]), ("FAILED", "1:0"))
        self.assertIn("no such thing", (self.folder / "logs" / f"{job}_1.log").read_text())

    def test_refused(self):
        """What sbatch says, in one line."""
        campaigns = Campaigns(PROGRAM, GUEST, self.folder)
        result = subprocess.run(
            [PROGRAM, "campaign", "submit", "--slurm", campaigns.script, "--db",
             self.folder / "a.db", "-n", "1", "--tasks", "1", "--partition", "nowhere"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, timeout=LIMIT_S, check=False)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertRegex(result.stderr, r"\Afaumachine: sbatch refuses .*nowhere.*\n\Z")


def main():
    """Skips what cannot be."""
    with tempfile.TemporaryDirectory(prefix="faumachine-slurm-") as folder:
        try:
            Slurm.cluster = Cluster(folder, 2 * TASKS)
        except Unavailable as why:
            print("skipped:", why)
            return SKIPPED
        try:
            return not unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2,
                                     exit=False).result.wasSuccessful()
        finally:
            Slurm.cluster.end()


if __name__ == "__main__":
    sys.exit(main())
