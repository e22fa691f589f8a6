#!/usr/bin/env python3
"""Random experiments of sort-tmr, each carried out once more: in a process of its own,
from power-on, and some by the other engine. All have to come to the same end state.

    replay_test.py PROGRAM EXPERIMENTS
"""

import concurrent.futures
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
# pylint: disable=wrong-import-position
import engine

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "experiments" / "sort-tmr"
BUILD_LIMIT_S, CAMPAIGN_LIMIT_S, REPLAY_LIMIT_S = 120, 3600, 120
PROGRAM, EXPERIMENTS = sys.argv[1], int(sys.argv[2])
VARIANTS = ("plain", "tmr")
# Every so many by the engine that the campaign did not have.
BY_THE_OTHER = 10
OTHER = {"jit": "interpreter", "interpreter": "jit"}


def run(*words, limit_s):
    return subprocess.run([PROGRAM, *map(str, words)], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=limit_s, check=False)


class Replays(unittest.TestCase):
    """Of half of the experiments with each variant of the study."""

    @classmethod
    def setUpClass(cls):
        # pylint: disable=consider-using-with
        cls.folder = tempfile.TemporaryDirectory(prefix="faumachine-replay-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.guest = pathlib.Path(cls.folder.name) / "guest"
        built = subprocess.run([FOLDER / "build", cls.guest], timeout=BUILD_LIMIT_S,
                               check=False)
        if built.returncode:
            print("cannot build the guest: skipped")
            sys.exit(engine.SKIPPED)

    def campaign(self, variant):
        """The database of a campaign, and how many experiments it has."""
        database = f"{self.folder.name}/{variant}.sqlite"
        count = EXPERIMENTS // len(VARIANTS)
        seed = os.environ.get("FAUMACHINE_SEED", "1")
        begin = time.monotonic()
        result = run("campaign", "run", FOLDER / "experiment.lua", "--set",
                     f"guest={self.guest}", "--set", f"variant={variant}", "-n", count,
                     "--seed", int(seed) % (1 << 63), "--db", database,
                     limit_s=CAMPAIGN_LIMIT_S)
        self.assertEqual(result.returncode, 0, result.stdout)
        print(f"{variant}, seed {seed}: {count} experiments in"
              f" {time.monotonic() - begin:.0f} s")
        return database, count

    def replay(self, database, number, engine_name):
        """What is wrong with it; None: nothing."""
        result = run("campaign", "replay", "--db", database, number, "--engine",
                     engine_name, limit_s=REPLAY_LIMIT_S)
        same = re.search("^replay +the same end state$", result.stdout, re.MULTILINE)
        if result.returncode == 0 and same:
            return None
        return f"{number} by {engine_name}, status {result.returncode}:\n{result.stdout}"

    def check(self, variant):
        database, count = self.campaign(variant)
        with sqlite3.connect(database) as connection:
            (own,) = connection.execute(
                "SELECT value FROM campaign WHERE key = 'engine'").fetchone()
            (ends,) = connection.execute(
                "SELECT count(DISTINCT hash) FROM experiments").fetchone()
        own = "jit" if "jit" in own else "interpreter"
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
            wrong = list(filter(None, threads.map(
                lambda number: self.replay(database, number, own if number % BY_THE_OTHER
                                           else OTHER[own]), range(count))))
        print(f"{variant}: {count} replays in {time.monotonic() - begin:.0f} s, {ends}"
              f" different end states, {len(wrong)} replays have another one")
        self.assertEqual(wrong[:3], [])
        self.assertGreater(ends, count // 100)

    def test_plain(self):
        self.check("plain")

    def test_tmr(self):
        self.check("tmr")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
