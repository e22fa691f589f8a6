#!/usr/bin/env python3
"""`make run` as a user sees it: tools/run-guest on a terminal.

    session_test.py PROGRAM FETCH_GUEST RUN_GUEST

Boots to the prompt, types commands, presses Ctrl-C, powers off. The program ends with
status 0 and the terminal is as it was before.
"""

import fcntl
import os
import pty
import subprocess
import sys
import termios

import guest as boot


def adopt(slave):
    """In the child: makes this its controlling terminal."""
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


def type_commands(guest):
    """A few commands, with answers that are not in what was typed."""
    if b"42\r" not in guest.run(b"echo $((6 * 7))"):
        guest.fail("wrong answer to 6 * 7")
    if b"Linux faumachine" not in guest.run(b"uname -sn"):
        guest.fail("wrong answer to uname")
    # Erased by backspace before Enter.
    os.write(guest.writer, b"echo wrong\x7f\x7f\x7f\x7f\x7fri''ght\n")
    guest.expect(b"right\r")
    guest.expect(boot.PROMPT)
    guest.type(b"echo be''gun; sleep 1000")
    guest.expect(b"begun")
    os.write(guest.writer, b"\x03")
    guest.expect(boot.PROMPT)
    if b"still here" not in guest.run(b"echo still he''re"):
        guest.fail("Ctrl-C has ended more than a command")


def main():
    """One session."""
    program, fetch_guest, run_guest = sys.argv[1:]
    boot.fetch(fetch_guest, "686")
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
    process = subprocess.Popen([run_guest, *boot.command(program)], stdin=slave,
                               stdout=slave, stderr=slave,
                               preexec_fn=lambda: adopt(slave),
                               env={**os.environ, "GUEST": "686", "MEMORY": "256"})
    guest = boot.Guest(process, master, master)
    guest.expect(b"Ctrl-A X to end")
    guest.expect_shell()
    if termios.tcgetattr(slave)[3] & (termios.ICANON | termios.ECHO | termios.ISIG):
        guest.fail("the terminal keeps keys from the guest")
    type_commands(guest)
    guest.type(b"poweroff -f")
    guest.expect_power_off()
    if termios.tcgetattr(slave) != before:
        guest.fail("the terminal is not as it was")


if __name__ == "__main__":
    main()
