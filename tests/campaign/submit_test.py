#!/usr/bin/env python3
"""faumachine campaign submit: its batch script, and what it does with sbatch; no Slurm is
needed.

    submit_test.py PROGRAM GUEST
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from sharded import LIMIT_S, Campaigns

PROGRAM, GUEST = (os.path.abspath(argument) for argument in sys.argv[1:3])
COUNT = 12
# Whatever a shell or sbatch might take for something else.
STRANGE = "-it's $(touch x) `touch x` \"a\" \\ %j !\n#SBATCH --nice\n\té;&|<>*?~#"
SBATCH = """#!/bin/sh
printf '%s\\n' "$@" > arguments
echo Submitted batch job 17
echo sbatch: a warning >&2
"""
REFUSING = """#!/bin/sh
echo sbatch: error: no such partition >&2
echo sbatch: error: Batch job submission failed >&2
exit 1
"""


class Submit(unittest.TestCase):
    """In a folder of its own, which is the current one."""

    def setUp(self):
        # pylint: disable=consider-using-with
        folder = tempfile.TemporaryDirectory(prefix="faumachine-submit-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.campaigns = Campaigns(PROGRAM, GUEST, self.folder)

    def submit(self, *options, sbatch=None, folder=None):
        """With an sbatch of ours, or none."""
        environment = {**os.environ, "PATH": str(self.folder / "programs")}
        environment.pop("PWD", None)
        if sbatch:
            (self.folder / "programs").mkdir(exist_ok=True)
            (self.folder / "programs" / "sbatch").write_text(sbatch, encoding="ascii")
            (self.folder / "programs" / "sbatch").chmod(0o755)
        return subprocess.run(
            [PROGRAM, "campaign", "submit", *options], cwd=folder or self.folder,
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False)

    def good(self, *options, **keywords):
        """A campaign that is accepted."""
        result = self.submit("--slurm", "t.lua", "-n", str(COUNT), *options, **keywords)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def refused(self, hint, *options, **keywords):
        """One line, which says why."""
        result = self.submit(*options, **keywords)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn(hint, result.stderr)

    def directives(self, *options):
        """Of the script, without a job."""
        script = self.good("--db", "a.db", *options, "--dry-run").stdout
        return [line for line in script.splitlines() if line.startswith("#SBATCH ")]

    def test_dry_run(self):
        """It prints, and does nothing."""
        script = self.good("--db", "a.db", "--tasks", "4", "--prune", "--seed=7",
                           "--dry-run").stdout
        self.assertIn(f"exec {PROGRAM} campaign run {self.folder}/t.lua \\\n"
                      f"    --db {self.folder}/a.db --shard \"$SLURM_ARRAY_TASK_ID/4\" "
                      "-j \"${SLURM_CPUS_PER_TASK:-1}\" \\\n"
                      f"    -n {COUNT} --prune --seed=7\n", script)
        self.assertEqual({"t.lua", "guest.bin"}, set(os.listdir(self.folder)))

    def test_directives(self):
        self.assertEqual(
            ["#SBATCH --job-name=t", "#SBATCH --array=1-4%2", "#SBATCH --ntasks=1",
             "#SBATCH --output=%A_%a.log", "#SBATCH --open-mode=append",
             "#SBATCH --cpus-per-task=3", "#SBATCH --time=1:00",
             '#SBATCH --comment="a \\"b\\" \\\\ #"', "#SBATCH --exclusive",
             "#SBATCH --mem=2G"],
            self.directives("--tasks", "4", "--array-limit=2", "-j", "3", "--time", "1:00",
                            "--slurm-option", 'comment=a "b" \\ #', "--slurm-option",
                            "exclusive", "--slurm-option=--mem=2G"))
        self.assertIn("#SBATCH --requeue", self.directives("--tasks", "1", "--requeue"))

    def test_job_name(self):
        """Of the script, or of its folder, if all are called the same."""
        folder = self.folder / "sort it"
        folder.mkdir()
        shutil.move(self.folder / "t.lua", folder / "experiment.lua")
        result = self.submit("--slurm", "experiment.lua", "--db", "a.db", "-n", "1",
                             "--tasks", "1", "--dry-run", folder=folder)
        self.assertIn("#SBATCH --job-name=sort_it\n", result.stdout)

    def test_strange_names(self):
        """The script does what it should, under names of any kind, and nothing else."""
        folder = self.folder / STRANGE
        campaigns = Campaigns(PROGRAM, GUEST, folder.mkdir() or folder)
        for requeue in ([], ["--requeue"]):
            database = folder / f"{STRANGE}{len(requeue)}.db"
            result = self.submit(
                "--slurm", "t.lua", "--db", database.name, "-n", str(COUNT), "--tasks", "2",
                "--set", f"a={STRANGE}", "--output", "../job.sh", *requeue, sbatch=SBATCH,
                folder=folder)
            self.assertEqual((result.returncode, result.stdout),
                             (0, "Submitted batch job 17\n"), result.stderr)
            script = (self.folder / "job.sh").read_text(encoding="utf-8")
            self.assertFalse([line for line in script.splitlines()
                              if line.startswith("#SBATCH --nice")])
            for task in ("1", "2"):
                subprocess.run(["sh", self.folder / "job.sh"], check=True, timeout=LIMIT_S,
                               cwd=self.folder, stdin=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL,
                               env={**os.environ, "SLURM_ARRAY_TASK_ID": task})
            self.assertEqual(len(campaigns.rows(database)), COUNT)
        self.assertFalse(list(self.folder.glob("**/x")))

    def test_what_is_left(self):
        """Tasks that are done are not submitted again."""
        database = self.folder / "a.db"
        self.campaigns.run(database, COUNT, "--shard", "2/4")
        result = self.good("--db", "a.db", "--tasks", "4", sbatch=SBATCH)
        self.assertIn("3 of 4 tasks", result.stderr)
        self.assertIn("a warning", result.stderr)
        logs = self.folder / "a.db.slurm"
        self.assertIn("#SBATCH --array=1,3-4\n", (logs / "job.sh").read_text())
        self.assertEqual((logs / "job.sh").stat().st_mode & 0o077, 0)
        self.assertEqual((self.folder / "arguments").read_text(),
                         f"--chdir={logs}\n{logs}/job.sh\n")
        self.campaigns.run(database, COUNT)
        result = self.good("--db", "a.db", "--tasks", "4", sbatch=REFUSING)
        self.assertIn("nothing to submit", result.stderr)

    def test_refused(self):
        good = ["--slurm", "t.lua", "--db", "a.db", "-n", "5", "--tasks", "2"]
        for hint, *options in (
                ("--slurm", *good[1:]), ("--tasks", *good[:-2]), ("a script", "--slurm"),
                ("-n NUMBER", *good[:4], "--tasks", "2"), ("--nonsense", *good, "--nonsense"),
                ("unknown.lua", "--slurm", "unknown.lua", *good[2:]),
                ("--tasks 0", *good, "--tasks", "0"), ("one word too many", *good, "b.lua"),
                ("--shard", *good, "--shard", "1/2"), ("--time", *good, "--time"),
                ("--seed x", *good, "--seed", "x"), ("line breaks", *good, "--time", "1\n2"),
                ("-p x", *good, "--slurm-option", "-p x"),
                ("--array-limit", *good, "--slurm-option", "array=1-7"),
                ("long options", *good, "--slurm-option", "mem 7"),
                ("nowhere", *good, "--db", "nowhere/a.db"),
                ("cannot make the folder", *good, "--logs", "nowhere/a"),
                ("there is no sbatch", *good)):
            with self.subTest(hint):
                self.refused(hint, *options)
        self.refused("no such partition; Batch job submission failed", *good,
                     sbatch=REFUSING)
        self.campaigns.run(self.folder / "a.db", 5)
        self.refused("seed", *good, "--seed", "2", sbatch=SBATCH)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
