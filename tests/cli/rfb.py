"""A VNC client for tests: RFC 6143, raw pixels, and pictures that change their size."""

import shutil
import socket
import struct
import subprocess

RAW, DESKTOP_SIZE = 0, -223
NO_PASSWORD, PASSWORD = 1, 2


class Refused(Exception):
    """The server does not take the password."""


def _answer(password, challenge):
    """The challenge, encrypted with DES, the bits of each byte of the key reversed."""
    key = bytes(int(f"{byte:08b}"[::-1], 2)
                for byte in password.encode().ljust(8, b"\0"))
    return subprocess.run(
        ["openssl", "enc", "-des-ecb", "-nopad", "-K", key.hex(), "-provider", "legacy",
         "-provider", "default"], input=challenge, stdout=subprocess.PIPE, check=True,
        timeout=10).stdout


def can_encrypt():
    """Whether passwords can be tried."""
    return shutil.which("openssl") is not None


class Client:
    """A connection, and the picture as far as it has come."""

    def __init__(self, port, password=None, host="127.0.0.1", limit_s=20):
        self.socket = socket.create_connection((host, port), limit_s)
        # Or what is sent next would come much later.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.version = self._take(12)
        self.socket.sendall(b"RFB 003.008\n")
        self.offered = list(self._take(self._take(1)[0]))
        self._prove(password)
        self.socket.sendall(b"\x01")
        self.width, self.height = struct.unpack(">HH", self._take(4))
        self._take(16)
        self.name = self._take(struct.unpack(">I", self._take(4))[0]).decode()
        # 32 bits a pixel, 0x00RRGGBB, little endian.
        self.socket.sendall(struct.pack(">B3xBBBBHHHBBB3x", 0, 32, 24, 0, 1, 255, 255,
                                        255, 16, 8, 0))
        self.socket.sendall(struct.pack(">BxHii", 2, 2, RAW, DESKTOP_SIZE))
        self._resize(self.width, self.height)

    def close(self):
        """Leaves."""
        self.socket.close()

    def _take(self, count):
        taken = b""
        while len(taken) < count:
            more = self.socket.recv(count - len(taken))
            if not more:
                raise EOFError("the server has closed the connection")
            taken += more
        return taken

    def _prove(self, password):
        kind = PASSWORD if password is not None else NO_PASSWORD
        if kind not in self.offered:
            self.close()
            raise Refused(f"it offers {self.offered}")
        self.socket.sendall(bytes([kind]))
        if kind == PASSWORD:
            self.socket.sendall(_answer(password, self._take(16)))
        if self._take(4) != b"\0\0\0\0":
            self.close()
            raise Refused("wrong password")

    def _resize(self, width, height):
        self.width, self.height = width, height
        self.pixels = bytearray(4 * width * height)

    def _rectangle(self):
        x, y, width, height, encoding = struct.unpack(">HHHHi", self._take(12))
        if encoding == DESKTOP_SIZE:
            self._resize(width, height)
        elif encoding == RAW:
            for line in range(y, y + height):
                start = 4 * (line * self.width + x)
                self.pixels[start:start + 4 * width] = self._take(4 * width)
        else:
            raise ValueError(f"encoding {encoding} was not asked for")

    def update(self, incremental=True):
        """Asks for what has changed and waits for it."""
        self.socket.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width,
                                        self.height))
        while True:
            kind = self._take(1)[0]
            if kind == 0:
                for _ in range(struct.unpack(">xH", self._take(3))[0]):
                    self._rectangle()
                return
            if kind == 3:  # clipboard
                self._take(struct.unpack(">3xI", self._take(7))[0])
            elif kind != 2:
                raise ValueError(f"message {kind}")

    def pixel(self, x, y):
        """The color there: (red, green, blue)."""
        blue, green, red = self.pixels[4 * (y * self.width + x):][:3]
        return red, green, blue

    def key(self, keysym, down):
        """A key goes down or up."""
        self.socket.sendall(struct.pack(">BBxxI", 4, down, keysym))

    def type(self, text):
        """Types characters."""
        for character in text:
            self.key(ord(character), True)
            self.key(ord(character), False)

    def pointer(self, x, y, buttons=0):
        """The mouse."""
        self.socket.sendall(struct.pack(">BBHH", 5, buttons, x, y))

    def cut_text(self, text):
        """The clipboard."""
        self.socket.sendall(struct.pack(">BxxxI", 6, len(text)) + text)
