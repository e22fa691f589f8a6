"""What a guest shows on its text screen, read through the monitor, and keys for it."""

import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "cli"))
# pylint: disable=wrong-import-position
import guest as boot
import qmp

TEXT_MEMORY, COLUMNS, ROWS = 0xb8000, 80, 25
# Keys that are not called as what they write.
KEY_NAMES = {" ": "spc", "-": "minus", "=": "equal", ";": "semicolon", "\n": "ret"}


class Machine:
    """A machine with a monitor and no window."""

    def __init__(self, program, work, *options):
        path = os.path.join(work, "qmp")
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(
            boot.command(program, *options, "-display", "none", "-nic", "none", "-qmp",
                         qmp.server(path)), stdin=subprocess.DEVNULL)
        self.monitor = qmp.Qmp(path)

    def text(self):
        """The screen, line by line."""
        words = self.monitor.human(f"xp /{COLUMNS * ROWS}hx {TEXT_MEMORY:#x}").split()
        cells = [int(word, 16) & 0xff for word in words if not word.endswith(":")]
        lines = [bytes(cells[i:i + COLUMNS]) for i in range(0, len(cells), COLUMNS)]
        return [line.decode("cp437").rstrip() for line in lines]

    def expect(self, wanted, limit_s=boot.COMMAND_LIMIT_S):
        """Waits until a line has this in it; returns that line."""
        begun = time.monotonic()
        while True:
            lines = self.text()
            for line in lines:
                if wanted in line:
                    return line
            waited = time.monotonic() - begun
            if waited > limit_s:
                self.process.kill()
                sys.exit(f"waited for '{wanted}' on the screen:\n" + "\n".join(lines))
            # The guest stands still while somebody looks: ever more seldom.
            time.sleep(min(0.05 + waited / 20, 2))

    def key(self, name):
        """Presses and releases a key."""
        self.monitor.command("send-key", keys=[{"type": "qcode", "data": name}],
                             hold_time=10)

    def type(self, line, prompt):
        """Types a line behind a prompt; each key waits for the one before to be seen."""
        for end, letter in enumerate(line):
            self.key(KEY_NAMES.get(letter, letter))
            self.expect((prompt + line[:end + 1]).rstrip())
        self.key("ret")

    def end(self):
        """Ends it."""
        self.monitor.command("quit")
        self.monitor.close()
        status = self.process.wait(boot.COMMAND_LIMIT_S)
        if status:
            sys.exit(f"the machine ends with status {status}")
