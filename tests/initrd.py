"""Adds files to an initial RAM disk."""

import gzip
import os
import shutil
import subprocess


def add(initrd, tree, result):
    """Leaves in `result` what `initrd` has and the files of `tree`, which replace and
    complete those; all are root's. The kernel unpacks one archive after the other."""
    with open(result, "wb") as file:
        with open(initrd, "rb") as first:
            shutil.copyfileobj(first, file)
        file.write(gzip.compress(archive(tree)))


def archive(tree):
    """A cpio archive; folders come before what is in them."""
    names = sorted(os.path.relpath(os.path.join(folder, name), tree)
                   for folder, folders, files in os.walk(tree)
                   for name in folders + files)
    return subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"],
                          cwd=tree, input="\n".join(names).encode(),
                          stdout=subprocess.PIPE, check=True).stdout
