"""The engines that are measured, and how one is named: NAME[+counted][@BACKEND]."""

import dataclasses
import re

INTERPRETER, JIT, DIRECT, AUTO = "interpreter", "jit", "direct", "auto"
# How system calls of code that runs directly come back: -syscall-redirect.
BACKENDS = ("copy", "sud", "seccomp", "sysemu", "ptrace")
USUAL = (INTERPRETER, JIT, f"{JIT}+counted", DIRECT, AUTO)
ALL = (*USUAL, *(f"{DIRECT}@{backend}" for backend in BACKENDS))


@dataclasses.dataclass(frozen=True)
class Engine:
    """`clock`, `backend`: empty for what the program takes by itself."""

    name: str
    clock: str = ""
    backend: str = ""

    def __str__(self):
        return self.name + (self.clock and f"+{self.clock}") + \
            (self.backend and f"@{self.backend}")

    def options(self):
        """Words of the program's command line."""
        return ["-engine", self.name, *(["-clock", self.clock] if self.clock else []),
                *(["-syscall-redirect", self.backend] if self.backend else [])]

    def with_clock(self, clock):
        return dataclasses.replace(self, clock=clock)


def parse(text):
    """The engine of that name; ValueError if it cannot be one."""
    found = re.fullmatch(r"(\w+)(?:\+(counted))?(?:@(\w+))?", text)
    if not found:
        raise ValueError(f"{text}: an engine is NAME[+counted][@BACKEND]")
    return Engine(*(part or "" for part in found.groups()))


def parse_list(text):
    """Of names with commas between them."""
    return [parse(name) for name in text.split(",")]
