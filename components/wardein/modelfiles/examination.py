# SPDX-License-Identifier: Apache-2.0
"""One examination: what is known of a model's files so far, and the bounds that all of them share.

Formats call back: they tell what they find, hand on what they contain, and raise :class:`Unexamined` for what they
cannot follow to its end. Nothing here, nor in any format, loads, imports or calls what a file names.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wardein.modelfiles.content import Content
from wardein.report import Severity, Skipped
from wardein.scan.merge import Found
from wardein.scan.rules import Rule
from wardein.scan.tree import File

if TYPE_CHECKING:
    from wardein.modelfiles.allowlist import Allowlist

MAX_DEPTH = 6
MAX_MEMBERS = 100_000
# Processes that may be started for what cannot be read in this one.
MAX_PROCESSES = 128
# Findings of one severity, and things of one file that were not examined: more of them help nobody, and fill memory.
MAX_TOLD = 1000
# What all members together may unpack to: arrays of zeros shrink a thousandfold, archives made to burst a millionfold.
UNPACKED_AT_LEAST = 256 * 1024**2
UNPACKED_PER_BYTE = 200
MAX_UNPACKED = 16 * 1024**3


class Unexamined(Exception):
    """Something could not be followed to its end; the reason is one clause, without the name of what it is about."""


class Examination:
    """What was found in a model's files, and what was not examined.

    Attributes:
        allowed: Which globals a pickle may refer to, and how it may use them.
        found: What was found so far.
        skipped: What was not examined, and why.
        unexamined: The paths of the files of which something was not examined.
        kinds: How many contents of each format were examined, members included.
        formats: The format of each file as a whole, by its path.
        sizes: How many bytes each file of a model folder has, by its path; nothing of a model that is one file.
        numbers: Which bytes of a file (offset, length) another one takes as numbers, by the file's path.
        unknown: The files of no known format, by their paths: not examined, unless they are numbers to the last byte.
    """

    def __init__(self, allowed: Allowlist, total: int, files: Sequence[File] = ()) -> None:
        """Start with nothing found.

        Args:
            allowed: Which globals are known to only build data.
            total: The bytes of all files together; bounds what they may unpack to.
            files: The files of a model folder.
        """
        self.sizes = {file.path: file.bytes for file in files}
        self.numbers: dict[str, list[tuple[int, int]]] = {}
        self.unknown: set[str] = set()
        self.allowed = allowed
        self.found: list[Found] = []
        self.skipped: list[Skipped] = []
        self.unexamined: set[str] = set()
        self.kinds: Counter[str] = Counter()
        self.formats: dict[str, str] = {}
        self._left = min(MAX_UNPACKED, UNPACKED_AT_LEAST + UNPACKED_PER_BYTE * total)
        self._members = 0
        self._processes = 0
        self._told: Counter[Severity] = Counter()
        self._left_out: Counter[str] = Counter()

    def tell(
        self, rule: Rule, content: Content, message: str, *, identity: str = "", severity: Severity | None = None
    ) -> None:
        """Tell of something found.

        Args:
            rule: The rule it is told under.
            content: Where it is.
            message: What is wrong, in one clause, with the byte offset where there is one (``at byte 17``) and what
                names it; texts out of the file are shown with :func:`shown`.
            identity: What makes it recognisable when offsets move, for example the global or the reconstructed call.
            severity: Only where it is another than the rule's.
        """
        told = severity or rule.severity
        self._told[told] += 1
        if self._told[told] > MAX_TOLD:
            if self._told[told] == MAX_TOLD + 1:
                self.leave_out(content, f"gives more than {MAX_TOLD} findings, of which the rest are not told")
            self.unexamined.add(content.path)
            return
        found = Found(
            rule.id, content.path, severity or rule.severity, message, part=content.part, text=identity, cwe=rule.cwe
        )
        self.found.append(found)

    def leave_out(self, content: Content, reason: str) -> None:
        """Tell that something was not examined, which makes the verdict ERROR, and go on."""
        self._left_out[content.path] += 1
        if self._left_out[content.path] <= MAX_TOLD:
            self.skipped.append(Skipped(content.label, reason))
        self.unexamined.add(content.path)

    def examine(self, content: Content) -> None:
        """Find out what a content is and examine it as that: for files, and for whatever a format contains."""
        from wardein.modelfiles.formats import examine

        examine(content, self)

    def count_member(self) -> None:
        """Count one member of an archive.

        Raises:
            Unexamined: If there are too many, in all containers of the model together.
        """
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise Unexamined(f"holds more than {MAX_MEMBERS} members")

    def count_process(self, times: int = 1) -> None:
        """Count one process that is about to be started; one that took very long, several times.

        Raises:
            Unexamined: If too many were started, for all contents of the model together.
        """
        self._processes += times
        if self._processes > MAX_PROCESSES:
            raise Unexamined(f"takes more than the {MAX_PROCESSES} processes that one model may")

    @contextmanager
    def unpacked(self, outer: Content, part: str, name: str, chunks: Iterable[bytes]) -> Iterator[Content]:
        """A member that is stored in another form (compressed), in a nameless file that goes with the context.

        Args:
            outer: The content that holds it.
            part: What to call the member.
            name: Its own last name, a hint at most.
            chunks: Its bytes; produced lazily, each of a bounded size.

        Raises:
            Unexamined: If what is unpacked, all of the model together, grows beyond the bounds.
        """
        with tempfile.TemporaryFile(prefix="wardein-") as file:
            for chunk in chunks:
                self._left -= len(chunk)
                if self._left < 0:
                    raise Unexamined("unpacks to far more than it takes: it may be made to fill a disk")
                file.write(chunk)
            file.flush()
            yield outer.held(part, name, file.fileno(), file.tell())


def shown(text: str | bytes, most: int = 80) -> str:
    """A text out of a file as it may stand in a message: one line of printable ASCII, quoted, cut where it is long."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return ascii(text if len(text) <= most else text[:most] + "…")
