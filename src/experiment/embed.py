#!/usr/bin/env python3
"""Makes a file an array of C: embed.py FILE NAME > HEADER"""

import pathlib
import sys

data = pathlib.Path(sys.argv[1]).read_bytes()
print(f"/* Generated of {pathlib.Path(sys.argv[1]).name} by embed.py. */")
print(f"static const unsigned char {sys.argv[2]}[] = {{")
for start in range(0, len(data), 16):
    print("".join(f"{byte}," for byte in data[start:start + 16]))
print("};")
