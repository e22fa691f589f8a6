"""The engine that runs the guests of a test.

FAUMACHINE_ENGINE names it; without, it is the interpreter. NAME@WAY also says how system
calls are redirected. tests/meson.build lists those that tests are run with.
"""

import os
import subprocess
import sys

SKIPPED = 77
NAME = os.environ.get("FAUMACHINE_ENGINE") or "interpreter"
# Who runs the tests on a desktop is not to see windows, but for those that ask for one.
for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
    os.environ.pop(variable, None)


def words(name=NAME):
    """What the command line needs for an engine of that name."""
    engine, _, way = name.partition("@")
    return ["-engine", engine, *(["-syscall-redirect", way] if way else [])]


def options(program):
    """What the program's command line needs. If this build does not have the engine,
    that is said in a line and the test ends as skipped."""
    chosen = words()
    if subprocess.run([program, *chosen, "-version"], stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL, check=False).returncode:
        print(f"engine {NAME}: not built in: skipped")
        sys.exit(SKIPPED)
    return chosen
