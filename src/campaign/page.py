#!/usr/bin/env python3
"""Makes style sheet and script of report pages arrays of C: page.py CSS JS > HEADER

With each comes its hash, by which the page tells the browser that it may use this one and
no other (Content Security Policy, Level 3).
"""

import base64
import hashlib
import pathlib
import sys

for name, path in zip(("style", "script"), sys.argv[1:]):
    data = pathlib.Path(path).read_bytes()
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    print(f"/* Generated of {pathlib.Path(path).name} by page.py. */")
    print(f'#define REPORT_{name.upper()}_HASH "sha256-{digest}"')
    print(f"static const unsigned char report_{name}[] = {{")
    for start in range(0, len(data), 16):
        print("".join(f"{byte}," for byte in data[start:start + 16]))
    print("};")
