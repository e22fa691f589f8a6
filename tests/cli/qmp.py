"""A client of QMP, and one of the monitor for people, over a Unix socket."""

import json
import os
import re
import select
import socket
import time

LIMIT_S = 30


class Socket:
    """A connection, with a time limit on everything."""

    def __init__(self, path):
        deadline = time.monotonic() + LIMIT_S
        self.socket = socket.socket(socket.AF_UNIX)
        self.buffer = b""
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def close(self):
        """Ends it."""
        self.socket.close()

    def send(self, data):
        """Sends all of the bytes; gives up silently if the other end does."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def read_until(self, pattern, limit_s=LIMIT_S):
        """Reads until the pattern (bytes) has matched; returns all up to its end."""
        deadline = time.monotonic() + limit_s
        while True:
            found = re.search(pattern, self.buffer, re.S)
            if found:
                text = self.buffer[:found.end()]
                self.buffer = self.buffer[found.end():]
                return text
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                raise AssertionError(f"waited for {pattern!r}; got {self.buffer!r}")
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                raise AssertionError(f"closed; got {self.buffer!r}")
            self.buffer += more


class Qmp(Socket):
    """QMP: answers, and the events that came meanwhile."""

    def __init__(self, path, negotiate=True):
        super().__init__(path)
        self.events = []
        self.greeting = self.receive()
        if negotiate:
            self.command("qmp_capabilities")

    def receive(self):
        """The next message."""
        return json.loads(self.read_until(rb"\r\n"))

    def answer(self):
        """The next message that is no event; these are collected."""
        while True:
            message = self.receive()
            if "event" not in message:
                return message
            self.events.append(message)

    def ask(self, request):
        """Sends a request (an object, or bytes as they are); returns the answer."""
        data = request if isinstance(request, bytes) else json.dumps(request).encode()
        self.send(data + b"\n")
        return self.answer()

    def command(self, name, **arguments):
        """Executes it; returns what it returns. '_' in names of arguments is '-'."""
        answer = self.try_command(name, **arguments)
        if "error" in answer:
            raise AssertionError(f"{name}: {answer['error']}")
        return answer["return"]

    def try_command(self, name, **arguments):
        """The same, but returns the whole answer, which may be an error."""
        request = {"execute": name}
        if arguments:
            request["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        return self.ask(request)

    def human(self, line):
        """Has a line executed as people would type it."""
        return self.command("human-monitor-command", command_line=line)

    def wait_event(self, name):
        """The next event of that name."""
        while True:
            for i, event in enumerate(self.events):
                if event["event"] == name:
                    return self.events.pop(i)
            message = self.receive()
            assert "event" in message, message
            self.events.append(message)


class Human(Socket):
    """A monitor for people."""

    PROMPT = rb"\((?:faumachine|qemu)\) "

    def __init__(self, path):
        super().__init__(path)
        self.banner = self.read_until(self.PROMPT).decode()

    def command(self, line):
        """Types a line; returns what is printed, without echo and prompt."""
        self.send(line.encode() + b"\r")
        text = self.read_until(rb"\r\n" + b".*?" + self.PROMPT).decode()
        return re.sub(r"\((?:faumachine|qemu)\) $", "", text.split("\r\n", 1)[1])


def server(path):
    """What to give to -qmp and -monitor."""
    return f"unix:{os.fspath(path)},server=on,wait=off"
