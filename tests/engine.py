"""The engine that runs the guests of a test.

FAUMACHINE_ENGINE names it; without, it is the interpreter. tests/meson.build lists those
that tests are run with.
"""

import os
import subprocess
import sys

SKIPPED = 77
NAME = os.environ.get("FAUMACHINE_ENGINE") or "interpreter"


def options(program):
    """What the program's command line needs. If this build does not have the engine,
    that is said in a line and the test ends as skipped."""
    chosen = ["-engine", NAME]
    if subprocess.run([program, *chosen, "-version"], stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL, check=False).returncode:
        print(f"engine {NAME}: not built in: skipped")
        sys.exit(SKIPPED)
    return chosen
