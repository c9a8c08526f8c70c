# SPDX-License-Identifier: Apache-2.0
"""Compiled code: libraries and programs of every system, of Java and WebAssembly, Python's bytecode."""

from __future__ import annotations

from dataclasses import dataclass

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination
from wardein.modelfiles.native import rules

_MACH_O = frozenset(bytes.fromhex(m) for m in ("feedface", "feedfacf", "cefaedfe", "cffaedfe"))


@dataclass
class Compiled:
    """A format of compiled code.

    Attributes:
        NAME: What it is called.
        what: What it is, in words.
        beginnings: What it begins with.
    """

    NAME: str
    what: str
    beginnings: tuple[bytes, ...]
    TEXT: bool = False

    def matches(self, content: Content, head: bytes) -> bool:
        """Whether it begins as one."""
        return head.startswith(self.beginnings) and _is(self.NAME, content, head)

    def examine(self, content: Content, examination: Examination) -> None:
        """Tell that it is there; what it does cannot be seen."""
        examination.tell(rules.NATIVE_CODE, content, f"is {self.what}", identity=self.NAME)


def _is(name: str, content: Content, head: bytes) -> bool:
    """Whether what follows the beginning fits, where the beginning is short."""
    if name == "windows-program":
        at = int.from_bytes(head[60:64], "little")
        return len(head) >= 64 and (content.at(at, 4) == b"PE\0\0" or content.name.lower().endswith((".exe", ".dll")))
    if name == "java-class":
        # A Mach-O file for several machines begins alike, and counts them where Java has its version.
        return len(head) >= 8
    if name == "python-bytecode":
        return len(head) >= 16 and int.from_bytes(head[4:8], "little") < 4 and head[16:17] in (b"\xe3", b"c")
    return True


COMPILED = (
    Compiled("elf", "a compiled library or program (ELF)", (b"\x7fELF",)),
    Compiled("windows-program", "a compiled library or program (Windows)", (b"MZ",)),
    Compiled("mach-o", "a compiled library or program (Mach-O)", tuple(sorted(_MACH_O))),
    Compiled("java-class", "a compiled class (Java) or a library (Mach-O)", (b"\xca\xfe\xba\xbe",)),
    Compiled("dex", "compiled code (Android)", (b"dex\n",)),
    Compiled("webassembly", "compiled code (WebAssembly)", (b"\0asm",)),
    # The magic number of every version since 3.0 ends in these two bytes.
    Compiled(
        "python-bytecode", "compiled Python", tuple(bytes((n & 255, n >> 8)) + b"\r\n" for n in range(3000, 4200))
    ),
    Compiled("archive-of-objects", "a library of compiled objects", (b"!<arch>\n",)),
)
