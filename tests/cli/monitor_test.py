#!/usr/bin/env python3
"""Monitors: QMP and the one for people, what they do to a machine, and what hostile
clients do to them.

    monitor_test.py PROGRAM BIOS
"""

import json
import os
import random
import re
import select
import shutil
import subprocess
import time
import unittest

import harness
import qmp
from harness import BIOS

QEMU = shutil.which("qemu-system-i386")
# Answered alike by QEMU 7.2, apart from times.
COMPARABLE = [
    b'{"execute":"query-status"}',
    b'{"execute":"qmp_capabilities","arguments":{"foo":1}}',
    b'{"execute":"qmp_capabilities"}',
    b'{"execute":"qmp_capabilities"}',
    b'{"execute":"query-status","id":7}',
    b'{"execute":"query-status","id":"\xc3\xa4\\u1234"}',
    b'{"execute":"query-name"}',
    b'{"execute":"query-uuid"}',
    b'{"execute":"query-target"}',
    b'{"execute":"query-memory-size-summary"}',
    b'{"execute":"nonsense","id":{"a":"b"}}',
    b'{"execute":"stop","arguments":{"a":1}}',
    b'{"execute":"cont"}',
    b'{"execute":"cont"}',
    b'{"execute":"stop"}',
    b'{"execute":"stop"}',
    b'{"execute":"query-status"}',
    b'{"execute":"system_wakeup"}',
    b'{"execute":"system_reset","id":null}',
    b'{"execute":"query-status"}',
    b'{"execute":"cont"}',
    b'{"execute":"system_powerdown"}',
    b'{"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"a"},'
    b'{"type":"number","data":30}]}}',
    b'{"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"foo"}]}}',
    b'{"execute":"send-key","arguments":{"keys":[{"type":"qcode"}]}}',
    b'{"execute":"send-key","arguments":{"keys":[{"data":"a"}]}}',
    b'{"execute":"send-key","arguments":{"keys":1}}',
    b'{"execute":"send-key"}',
    b'{"execute":"input-send-event","arguments":{"events":[{"type":"rel","data":'
    b'{"axis":"x","value":4}},{"type":"btn","data":{"down":true,"button":"left"}},'
    b'{"type":"key","data":{"down":true,"key":{"type":"qcode","data":"b"}}}]}}',
    b'{"execute":"input-send-event","arguments":{"events":[{"type":"btn","data":'
    b'{"down":true,"button":"foo"}}]}}',
    b'{"execute":"eject","arguments":{"device":"nope"}}',
    b'{"execute":"eject","arguments":{}}',
    b'{"execute":"change","arguments":{"device":"x","target":"y"}}',
    b'{"execute":"screendump","arguments":{"filename":5}}',
    b'{"execute":"screendump","arguments":{"filename":"/x","format":"gif"}}',
    b'{"execute":"pmemsave","arguments":{"val":0,"size":16,"filename":"/none/x"}}',
    b'{"exec":"foo"}',
    b'{}',
    b'[]',
    b'5',
    b'"x"',
    b'nonsense',
    b']',
    b'{"execute":"stop","bogus":1}',
    b'{"execute":5}',
    b'{"execute":"stop","arguments":"x"}',
    b'{"execute":\'query-status\'}',
    b'{"execute":"query-name","id":1,"id":2}',
    b'{"exec-oob":"query-name"}',
    b'{"execute":"inject-nmi"}',
] + [b'{"execute":"human-monitor-command","arguments":{"command-line":"%s"}}' % line
     for line in (b"", b"info status", b"foo bar", b"info foo", b"print 1+2*3",
                  b"p /d 0-5", b"p /o 8", b"p/c 65", b"p (1 | 6) & 0x5", b"p/x -1",
                  b"p $foo", b"p (1", b"p 1/0", b"p", b"x /3xw", b"x /3xw 0xffff0",
                  b"xp /4cb 0xffff0", b"xp /9hdb 0xffff0", b"xp /3dw 0xffff0",
                  b"xp /2ug 0xffff0", b"xp /5oh 0xffff0", b"info mem", b"info tlb",
                  b"help stop", b"sendkey foo", b"sendkey ctrl-alt-f1 10", b"eject foo",
                  b"system_reset foo", b"sum 0xf0000 0x10000", b"info name", b"s")]


def without_times(text):
    """The session as it is every time."""
    return re.sub(rb'"timestamp": \{[^}]*\}', b'"timestamp": {}', text)


class Qmp(harness.TestCase):
    """The protocol, and its commands."""

    def connect(self, *options, negotiate=True, **keywords):
        """Starts the guest with a QMP server; returns process and client."""
        path = self.path("qmp")
        if not keywords.get("paused"):
            process = self.start_guest("-qmp", qmp.server(path), "-serial", "stdio",
                                       *options)
        else:
            process = self.start("-m", "4", "-bios", BIOS, "-qmp", qmp.server(path),
                                 "-serial", "stdio", "-S", *options, bufsize=0,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        client = qmp.Qmp(path, negotiate)
        self.addCleanup(client.close)
        return process, client

    def expect(self, process, text):
        """The guest says so."""
        self.assertIn(text, harness.read_until(process.stdout.fileno(), text))

    def expect_silence(self, process):
        """The guest says nothing for a while but the end of a line it has begun."""
        while select.select([process.stdout], [], [], 0.2)[0]:
            self.assertIn(process.stdout.read(1), b"\r\n")

    def test_greeting(self):
        """Version and capabilities; nothing goes before they are negotiated."""
        _, client = self.connect(negotiate=False)
        self.assertEqual(client.greeting["QMP"]["capabilities"], [])
        self.assertIn("qemu", client.greeting["QMP"]["version"])
        answer = client.ask({"execute": "stop", "id": 1})
        self.assertEqual(answer["error"]["class"], "CommandNotFound")
        self.assertEqual(answer["id"], 1)
        client.command("qmp_capabilities", enable=[])
        self.assertEqual(client.command("query-status")["status"], "running")

    def test_pause(self):
        """A paused guest does nothing, and no time passes for it."""
        process, client = self.connect()
        client.command("stop")
        client.wait_event("STOP")
        self.assertEqual(client.command("query-status"),
                         {"status": "paused", "singlestep": False, "running": False})
        process.stdin.write(b"a")
        self.expect_silence(process)
        ticks = [client.human("i /l 0x608")]
        time.sleep(0.3)
        ticks.append(client.human("i /l 0x608"))
        self.assertEqual(*ticks)
        continued = time.monotonic()
        client.command("cont")
        client.wait_event("RESUME")
        self.expect(process, b"a")
        ticks.append(client.human("i /l 0x608"))
        before, after = (int(tick.split("= ")[1], 16) for tick in ticks[1:])
        passed = time.monotonic() - continued
        self.assertLess((after - before) % (1 << 24), 3579545 * passed)

    def test_counted_clock_pauses(self):
        """So it is when instructions are the clock."""
        process, client = self.connect("-clock", "counted")
        client.command("stop")
        ticks = [client.human("i /l 0x608") for _ in range(2)]
        self.assertEqual(*ticks)
        client.command("cont")
        process.stdin.write(b"b")
        self.expect(process, b"b")

    def test_starts_paused(self):
        """-S waits for cont."""
        process, client = self.connect(paused=True)
        self.expect_silence(process)
        self.assertEqual(client.command("query-status")["status"], "prelaunch")
        client.command("cont")
        self.expect(process, b"READY")

    def test_resets(self):
        """By the monitor and by the guest, running and paused."""
        process, client = self.connect()
        client.command("system_reset")
        self.assertEqual(client.wait_event("RESET")["data"],
                         {"guest": False, "reason": "host-qmp-system-reset"})
        self.expect(process, b"READY")
        process.stdin.write(b"r")
        self.assertEqual(client.wait_event("RESET")["data"],
                         {"guest": True, "reason": "guest-reset"})
        self.expect(process, b"READY")
        client.command("stop")
        client.command("system_reset")
        self.assertEqual(client.command("query-status")["status"], "prelaunch")
        self.expect_silence(process)
        client.command("cont")
        self.expect(process, b"READY")

    def test_ends(self):
        """quit, and the guest's switching off."""
        process, client = self.connect()
        self.assertEqual(client.command("quit"), {})
        self.assertEqual(client.wait_event("SHUTDOWN")["data"]["reason"],
                         "host-qmp-quit")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)
        process, client = self.connect()
        process.stdin.write(b"q")
        self.assertEqual(client.wait_event("SHUTDOWN")["data"],
                         {"guest": True, "reason": "guest-shutdown"})
        self.assertEqual(process.wait(harness.LIMIT_S), 0)

    def test_quits_while_paused(self):
        """A machine that stands still can be ended, by signals, too."""
        process, client = self.connect(paused=True)
        client.command("quit")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)
        process, client = self.connect(paused=True)
        process.terminate()
        self.assertEqual(client.wait_event("SHUTDOWN")["data"]["reason"], "host-signal")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)

    def test_no_shutdown(self):
        """A machine that is kept after it has been switched off needs a reset."""
        process, client = self.connect("-no-shutdown")
        process.stdin.write(b"q")
        client.wait_event("STOP")
        self.assertEqual(client.command("query-status")["status"], "shutdown")
        self.assertIn("Resetting", client.ask({"execute": "cont"})["error"]["desc"])
        client.command("system_reset")
        client.command("cont")
        self.expect(process, b"READY")

    def test_keys(self):
        """Keys arrive at the keyboard controller, and are released."""
        _, client = self.connect()
        codes = []
        client.command("send-key", keys=[{"type": "qcode", "data": "a"}], hold_time=20)
        deadline = time.monotonic() + harness.LIMIT_S
        while len(codes) < 2 and time.monotonic() < deadline:
            if int(client.human("i /b 0x64").split("= ")[1], 16) & 1:
                codes.append(int(client.human("i /b 0x60").split("= ")[1], 16))
        self.assertIn(codes, ([0x1e, 0x9e], [0x1c, 0xf0]))

    def test_files(self):
        """pmemsave and memsave write what there is, through another process."""
        _, client = self.connect()
        path = self.path("memory")
        client.command("pmemsave", val=0xf0000, size=0x10000, filename=path)
        with open(path, "rb") as saved, open(BIOS, "rb") as bios:
            self.assertEqual(saved.read(), bios.read())
        client.command("pmemsave", val=0, size=0xc0000, filename=path)
        self.assertEqual(os.path.getsize(path), 0xc0000)
        client.command("memsave", val=0xffff0, size=3, filename=path)
        self.assertEqual(os.path.getsize(path), 3)
        answer = client.ask({"execute": "pmemsave", "arguments": {
            "val": 1 << 40, "size": 1, "filename": path}})
        self.assertIn("Invalid addr", answer["error"]["desc"])
        answer = client.ask({"execute": "pmemsave", "arguments": {
            "val": 0, "size": 1, "filename": "/nonexistent/x"}})
        self.assertEqual(answer["error"]["desc"],
                         "Could not open '/nonexistent/x': No such file or directory")

    def test_screendump(self):
        """A picture of the text screen, which this BIOS leaves black."""
        _, client = self.connect()
        path = self.path("screen.ppm")
        client.command("screendump", filename=path)
        with open(path, "rb") as file:
            kind, width, height, depth = file.readline().split() + \
                file.readline().split() + file.readline().split()
            pixels = file.read()
        self.assertEqual((kind, depth), (b"P6", b"255"))
        self.assertEqual(len(pixels), 3 * int(width) * int(height))

    def test_media(self):
        """Floppies and CDs are put in, locked against others, and taken out."""
        paths = [self.path(name) for name in ("disk", "floppy", "cd")]
        for path, size in zip(paths, (1 << 20, 1440 << 10, 1 << 20)):
            with open(path, "wb") as file:
                file.truncate(size)
        disk, floppy, disc = paths
        _, client = self.connect("-drive", f"if=virtio,format=raw,file={disk}")

        def files():
            return {drive["device"]: drive.get("inserted", {}).get("file")
                    for drive in client.command("query-block")}

        self.assertEqual(files(), {"virtio0": disk, "ide1-cd0": None, "floppy0": None})
        client.command("blockdev-change-medium", device="ide1-cd0", filename=disc)
        for is_open in (True, False):
            event = client.wait_event("DEVICE_TRAY_MOVED")
            self.assertEqual(event["data"]["tray-open"], is_open)
        client.command("blockdev-change-medium", device="floppy0", filename=floppy)
        self.assertEqual(files(), {"virtio0": disk, "ide1-cd0": disc, "floppy0": floppy})
        for wrong, hint in ((disk, "busy"), (self.path("none"), "No such file")):
            answer = client.ask({"execute": "blockdev-change-medium", "arguments":
                                 {"device": "floppy0", "filename": wrong}})
            self.assertIn(hint, answer["error"]["desc"])
        client.command("eject", device="ide1-cd0")
        client.command("eject", device="floppy0")
        self.assertEqual(files(), {"virtio0": disk, "ide1-cd0": None, "floppy0": None})

    def test_two_clients(self):
        """Events go to all monitors; a client that has gone makes room."""
        path = self.path("other")
        _, client = self.connect("-qmp", qmp.server(path))
        other = qmp.Qmp(path)
        client.command("stop")
        other.wait_event("STOP")
        other.close()
        client.command("cont")
        again = qmp.Qmp(path, negotiate=False)
        self.assertIn("QMP", again.greeting)
        again.close()

    def test_on_stdio(self):
        """Events and answers on standard output."""
        process = self.start("-m", "4", "-bios", BIOS, "-qmp", "stdio", bufsize=0,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdin.write(b'{"execute":"qmp_capabilities"}{"execute":"quit"}')
        text, _ = process.communicate(timeout=harness.LIMIT_S)
        lines = [json.loads(line) for line in text.split(b"\r\n")[:-1]]
        self.assertEqual(lines[1], {"return": {}})
        self.assertEqual(lines[2]["event"], "SHUTDOWN")
        self.assertEqual(lines[3], {"return": {}})

    def test_hostile_clients(self):
        """Whatever they send, the machine goes on and the next client is served."""
        process, client = self.connect()
        client.close()
        dice = random.Random(1)
        for attack in (b"[" * 3000000, b'{"a":' * 100000, b'"' + b"x" * 5000000,
                       b'{"execute":"\xff\xfe\xc0"}' * 1000, b"\0" * 100000,
                       b'{"execute":"query-commands"}' * 20000,
                       b'{"execute":"human-monitor-command","arguments":{"command-line":'
                       b'"' + b"(" * 100000 + b'"}}',
                       b'{"execute":"human-monitor-command","arguments":{"command-line":'
                       b'"p ' + b"(" * 100000 + b'"}}',
                       bytes(dice.randrange(256) for _ in range(200000))):
            client = qmp.Qmp(self.path("qmp"))
            client.socket.setblocking(False)
            deadline = time.monotonic() + 1
            while attack and time.monotonic() < deadline:
                try:
                    attack = attack[client.socket.send(attack):]
                except BlockingIOError:
                    time.sleep(0.001) # it waits for us to read, which we do not
            client.close()
        client = qmp.Qmp(self.path("qmp"))
        self.assertEqual(client.command("query-status")["status"], "running")
        process.stdin.write(b"z")
        self.expect(process, b"z")
        client.close()

    @unittest.skipUnless(QEMU, "QEMU is not installed")
    def test_same_as_qemu(self):
        """The same session, byte for byte; QEMU's event of a reset comes before the
        answer or behind it."""
        texts = []
        for words in ([harness.PROGRAM, *harness.ENGINE],
                      [QEMU, "-accel", "tcg", "-net", "none"]):
            path = self.path(f"qmp{len(texts)}")
            command = [*words, "-m", "4", "-bios", BIOS, "-S", "-name", "foo", "-display",
                       "none", "-serial", "null", "-qmp", qmp.server(path)]
            with subprocess.Popen(command) as process:
                try:
                    client = qmp.Qmp(path, negotiate=False)
                    text = b""
                    for request in COMPARABLE:
                        client.send(request + b"\n")
                        text += request + b"\n"
                        # The answer comes behind its events.
                        text += client.read_until(
                            rb'(?:\{"timestamp"[^\n]*\n)*\{"(?:return|error|id)"[^\n]*\n')
                    texts.append(without_times(text))
                    client.close()
                finally:
                    process.kill()
        lines = [text.decode().split("\n") for text in texts]
        for events in (False, True):
            self.assertEqual(*([line for line in side if ('"event"' in line) == events]
                               for side in lines))


class Human(harness.TestCase):
    """The monitor for people."""

    def connect(self, *options):
        """Starts the guest with a monitor; returns process and client."""
        path = self.path("monitor")
        process = self.start_guest("-monitor", qmp.server(path), "-serial", "stdio",
                                   *options)
        client = qmp.Human(path)
        self.addCleanup(client.close)
        return process, client

    def test_commands(self):
        """A word of each kind."""
        process, client = self.connect("-name", "foo")
        self.assertIn("monitor - type 'help'", client.banner)
        self.assertEqual(client.command("info status"), "VM status: running\r\n")
        self.assertEqual(client.command("stop"), "")
        self.assertEqual(client.command("info status"), "VM status: paused\r\n")
        registers = client.command("info registers")
        self.assertIn("EIP=", registers)
        self.assertIn("CS =f000 ffff0000 0000ffff 00009b00", registers.replace(
            "00009300", "00009b00"))
        self.assertIn("0xfffffff0: e9", client.command("xp /1i 0xfffffff0"))
        self.assertIn("b8000: 0x", client.command("xp /1hx 0xb8000"))
        self.assertEqual("Cannot access memory\r\n", client.command("xp /1wx 0xe0000000"))
        self.assertIn("Host bridge: PCI device 8086:1237", client.command("info pci"))
        self.assertIn(": RAM", client.command("info mtree"))
        self.assertIn("i8259", client.command("info mtree"))
        self.assertIn("serial0", client.command("info chardev"))
        self.assertIn("sendkey", client.command("help"))
        self.assertIn("info tlb", client.command("info"))
        self.assertIn("Error: Could not open '/nonexistent/x'",
                      client.command("memsave 0 16 /nonexistent/x"))
        client.command("o /b 0x70 0x0f")
        client.command("o /b 0x71 0x5a")
        self.assertEqual(client.command("i /b 0x71"), "portb[0x0071] = 0x5a\r\n")
        client.command("c")
        process.stdin.write(b"k")
        self.assertIn(b"k", harness.read_until(process.stdout.fileno(), b"k"))
        client.send(b"q\r")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)

    def test_line_editing(self):
        """Backspace, Ctrl-U, the last line again."""
        _, client = self.connect()
        self.assertIn("0x7\r\n", client.command("nonsense\x15p 9\x7f7"))
        self.assertIn("0x7\r\n", client.command("\x1b[A"))
        self.assertIn("0x7\r\n", client.command("\x1b[A\x1b[A\x1b[B\x1b[A"))

    def test_does_not_open_files_unasked(self):
        """The monitor of an ordinary run has no process that opens files."""
        terminal = harness.Terminal()
        self.addCleanup(terminal.close)
        self.start("-m", "4", "-bios", BIOS, stdin=terminal.slave,
                   stdout=terminal.slave, stderr=terminal.slave,
                   preexec_fn=terminal.adopt)
        harness.read_until(terminal.master, b"READY")
        os.write(terminal.master, b"\x01cpmemsave 0 16 " + self.path("x").encode() + b"\r")
        text = harness.read_until(terminal.master, b"(-monitor, -qmp, -gdb)")
        self.assertIn(b"files are opened only for monitors", text)
        self.assertFalse(os.path.exists(self.path("x")))


if __name__ == "__main__":
    harness.main()
