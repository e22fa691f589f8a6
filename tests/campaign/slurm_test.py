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
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

from sharded import SKIPPED, Campaigns, run
from slurm import Cluster, Unavailable

PROGRAM, GUEST = (os.path.abspath(argument) for argument in sys.argv[1:3])
LIMIT_S = 40
TASKS = 4
COUNT = 480
ATTEMPTS = 4
SLOWLY = ["--requeue", "--waypoints", "0"]
POLL_S = 0.02
STEP_S = 0.005
LOOK_S = 0.5
STRANGE = "it's $(exit) \"a\"\n#SBATCH b"


def find_process(words):
    """One that has these on its command line, and whose parent has not."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if set(words) <= set((path / "cmdline").read_bytes().split(b"\0")):
                found[int(path.name)] = int(
                    (path / "stat").read_text().rpartition(")")[2].split()[1])
    return next((number for number, parent in found.items() if parent not in found), None)


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
        """How many experiments of a task are; None: it is just being written."""
        with contextlib.closing(sqlite3.connect(database, timeout=0)) as connection:
            try:
                return connection.execute(
                    "SELECT count(*) FROM experiments WHERE number % ? = ?",
                    (TASKS, number - 1)).fetchone()[0]
            except sqlite3.OperationalError:
                return None

    def hold(self, job, database, numbers):
        """Holds tasks as soon as they have begun: their processes, but for those of tasks
        that have ended before."""
        held, look = {}, time.monotonic() + LOOK_S
        while len(held) < len(numbers):
            for number in set(numbers) - set(held):
                process = find_process([os.fsencode(database),
                                        b"%d/%d" % (number, TASKS)])
                with contextlib.suppress(ProcessLookupError, TypeError):
                    os.kill(process, signal.SIGSTOP)
                    held[number] = process
            if time.monotonic() > look:
                look = time.monotonic() + LOOK_S
                if not set(numbers) - set(held) <= set(self.cluster.states(job)):
                    break
            self.assertLess(time.monotonic(), self.deadline)
        return held

    def step(self, database, number, process):
        """Lets a task that is held go on step by step until it has stored something.
        False: it has ended."""
        while not self.stored(database, number):
            self.assertLess(time.monotonic(), self.deadline)
            try:
                os.kill(process, signal.SIGCONT)
                time.sleep(STEP_S)
                os.kill(process, signal.SIGSTOP)
            except ProcessLookupError:
                return False
        return True

    def interrupt(self, campaigns, database):
        """One task was cancelled, and one told that its time is over, in the middle of
        their work. False: that was too late."""
        cancelled, limited = 2, 3
        job = self.submit(campaigns, database, COUNT, *SLOWLY)
        held = self.hold(job, database, (cancelled, limited))
        if len(held) == 2 and all(self.step(database, *task) for task in held.items()):
            run("scancel", f"{job}_{cancelled}")
            run("scancel", "--batch", "--signal=USR1", f"{job}_{limited}")
        for process in held.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
        self.wait_until(lambda: self.cluster.states(job).get(limited) in (None, "PENDING"))
        if limited in self.cluster.states(job):
            # Slurm would let minutes go by. In the same second it must not be.
            run("scontrol", "update", f"JobId={job}_{limited}", "StartTime=now+2")
        self.wait_for_end(job)
        states = [self.cluster.task(job, number) for number in (cancelled, limited)]
        if states[0]["JobState"] == "COMPLETED" or states[1]["Restarts"] == "0":
            return False
        self.assertEqual(states[0]["JobState"], "CANCELLED")
        log = (pathlib.Path(f"{database}.slurm") / f"{job}_{limited}.log").read_text()
        self.assertEqual(states[1]["JobState"], "COMPLETED", log)
        self.assertLess(0, self.stored(database, cancelled))
        self.assertLess(self.stored(database, cancelled), COUNT // TASKS)
        self.assertEqual(self.stored(database, limited), COUNT // TASKS)
        return True

    def test_interrupted(self):
        """Each goes on where it was; the one that was cancelled, when it is told to."""
        campaigns = Campaigns(PROGRAM, GUEST, self.folder)
        names = (self.folder / f"{number}.db" for number in range(ATTEMPTS))
        together = next((name for name in names if self.interrupt(campaigns, name)), None)
        self.assertTrue(together, "always too late")
        job = self.submit(campaigns, together, COUNT, *SLOWLY)
        script = pathlib.Path(f"{together}.slurm") / "job.sh"
        self.assertIn("#SBATCH --array=2\n", script.read_text())
        self.wait_for_end(job)
        alone = self.folder / "alone.db"
        campaigns.run(alone, COUNT)
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
