"""Reads the PNG files that the program writes: 8 bits a color, not interlaced."""

import functools
import struct
import zlib


def _paeth(left, above, corner):
    guess = left + above - corner
    nearest = min((abs(guess - left), 0, left), (abs(guess - above), 1, above),
                  (abs(guess - corner), 2, corner))
    return nearest[2]


def _unfilter(kind, line, before, step):
    """Undoes the filter of one line (PNG specification, chapter 9) in place."""
    if kind == 0:
        return
    for i, byte in enumerate(line):
        left = line[i - step] if i >= step else 0
        above = before[i]
        corner = before[i - step] if i >= step else 0
        add = (0, left, above, (left + above) // 2, _paeth(left, above, corner))[kind]
        line[i] = (byte + add) & 0xff


class Picture:
    """Width, height, and pixels as (red, green, blue)."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        if data[:8] != b"\x89PNG\r\n\x1a\n":
            raise ValueError(f"{path} is no PNG file")
        packed, at = b"", 8
        while at < len(data):
            length, kind = struct.unpack_from(">I4s", data, at)
            content = data[at + 8:at + 8 + length]
            if kind == b"IHDR":
                self.width, self.height, depth, color = struct.unpack_from(">IIBB",
                                                                           content)
                if depth != 8 or color != 2:
                    raise ValueError(f"{path} is not in true color")
            elif kind == b"IDAT":
                packed += content
            at += length + 12
        self._raw = zlib.decompress(packed)

    @functools.cached_property
    def lines(self):
        """The bytes of each line; that takes a while."""
        raw, lines, stride = self._raw, [], 3 * self.width
        before = bytes(stride)
        for start in range(0, len(raw), stride + 1):
            line = bytearray(raw[start + 1:start + 1 + stride])
            _unfilter(raw[start], line, before, 3)
            lines.append(line)
            before = line
        return lines

    def pixel(self, x, y):
        """The color there."""
        return tuple(self.lines[y][3 * x:3 * x + 3])

    def colors(self):
        """All colors that there are."""
        return {self.pixel(x, y) for y in range(self.height) for x in range(self.width)}
