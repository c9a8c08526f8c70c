# SPDX-License-Identifier: Apache-2.0
"""Any file as pieces of text. What cannot be read is a gap, and a gap is never silent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import BinaryIO

from wardein.errors import WardeinError, printable
from wardein.secrecy import archives, documents
from wardein.secrecy.documents import Pair
from wardein.secrecy.names import CODE

# What is larger is searched in windows, which overlap by more than any secret is long.
WHOLE, WINDOW, OVERLAP = 32 * 1024 * 1024, 8 * 1024 * 1024, 64 * 1024
_TEXT = CODE | frozenset(
    (".ipynb", ".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".env", ".txt", ".md")
    + (".rst", ".sh", ".bash", ".zsh", ".bat", ".properties", ".xml", ".csv", ".tsv", ".sql", ".tfvars", ".dockerfile")
    + (".pem", ".key", ".log")
)
_TEXT_NAMES = (
    "Dockerfile",
    "Containerfile",
    "Makefile",
    ".env",
    ".netrc",
    ".pypirc",
    ".npmrc",
    "credentials",
    "config",
)
_BOMS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xef\xbb\xbf", "utf-8-sig")) + (
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_RUN = re.compile(rb"[\t\n\r\x20-\x7e]{8,}+")
_WIDE_RUN = re.compile(rb"(?:[\t\n\r\x20-\x7e]\0){8,}+")


@dataclass(frozen=True)
class Piece:
    """A text to search.

    Attributes:
        text: It.
        part: The part of the file that it is, for example ``cell 3, output``.
        first: The number of its first line; 0 if it has none that anybody could look up.
        is_code: Whether what is not quoted in it is an expression.
        precise: Whether only what is known by its form counts in it.
        pairs: What a document's reader found in it: texts without escapes, by their names.
    """

    text: str
    part: str = ""
    first: int = 1
    is_code: bool = False
    precise: bool = False
    pairs: tuple[Pair, ...] = ()


@dataclass(frozen=True)
class Gap:
    """What could not be read: a part of the file (empty for all of it), and why."""

    part: str
    reason: str


def pieces(path: str, stream: BinaryIO, budget: archives.Budget | None = None, depth: int = 0) -> Iterator[Piece | Gap]:
    """The pieces of a file, and its gaps.

    Args:
        path: What it is called; its ending decides how it is read.
        stream: Its content.
        budget: How much may be unpacked from it.
        depth: How many archives it is in.
    """
    stream.seek(0, 2)
    size = stream.tell()
    stream.seek(0)
    start = stream.read(min(size, 65536))
    stream.seek(0)
    suffix = PurePosixPath(path).suffix.lower()
    if not start:
        return
    if b"\0" not in start or start.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        yield from _gaps_of_archive(path, stream, start, budget, depth, size)
        yield from _texts(path, suffix, stream, size)
        return
    if suffix in _TEXT or PurePosixPath(path).name in _TEXT_NAMES:
        yield from _texts(path, suffix, stream, size)
        return
    yield from _gaps_of_archive(path, stream, start, budget, depth, size)
    yield from _runs(stream)


def _gaps_of_archive(
    path: str, stream: BinaryIO, start: bytes, budget: archives.Budget | None, depth: int, size: int
) -> Iterator[Piece | Gap]:
    """The pieces of what is packed in it, if it is an archive."""
    kind = archives.kind_of(stream)
    if not kind:
        return
    if depth >= archives.MAX_DEPTH:
        yield Gap("", f"is an archive within {depth} others")
        return
    budget = budget or archives.Budget(max(archives.MAX_UNPACKED, 4 * size))
    try:
        for name, member in archives.members(stream, kind, budget):
            inner = printable(name) or PurePosixPath(path).stem
            part = f"member {inner}" if name else ""
            if isinstance(member, WardeinError):
                yield Gap(part, member.what)
                continue
            with member:
                for found in pieces(inner, member, budget, depth + 1):
                    yield replace(found, part=", ".join(p for p in (part, found.part) if p))
    except WardeinError as error:
        yield Gap("", error.what)
    stream.seek(0)


def _texts(path: str, suffix: str, stream: BinaryIO, size: int) -> Iterator[Piece | Gap]:
    is_code = suffix in CODE
    if size > WHOLE:
        if suffix == ".ipynb":
            yield Gap("", f"is a notebook of more than {WHOLE} bytes")
        yield from _windows(stream, is_code)
        return
    text = _decoded(stream.read())
    if suffix == ".ipynb":
        try:
            for cell in documents.cells(documents.read_json(text)):
                yield Piece(cell.text, cell.part, cell.first, cell.is_code, pairs=cell.pairs)
            return
        except (ValueError, WardeinError):
            yield Gap("", "is not a notebook that can be read")
    yield Piece(text, is_code=is_code, pairs=(*_of_document(text, suffix), *_of_run(path, text)))


def _of_document(text: str, suffix: str) -> Iterator[Pair]:
    """What a document says, with the lines that it says it in; nothing if it is none."""
    start = text[:200].lstrip()
    try:
        if suffix in (".yaml", ".yml") or start.startswith(("apiVersion:", "kind:", "---\n")):
            for document in documents.read_yaml(text):
                yield from documents.pairs(document)
        elif suffix in (".json", ".tfstate", ".avsc") or (start.startswith(("{", "[")) and suffix not in CODE):
            yield from _of_json(text)
    except ValueError:
        return  # a template or a fragment: its text is searched


def _of_json(text: str) -> Iterator[Pair]:
    try:
        found = list(documents.pairs(documents.read_json(text)))
    except ValueError:
        found = []
        for line in text.splitlines():  # one document a line, as in logs and evidence
            if line.startswith("{"):
                try:
                    found += documents.pairs(documents.read_json(line))
                except ValueError:
                    continue
    yield from found


def _of_run(path: str, text: str) -> Iterator[Pair]:
    """Parameters and tags of MLflow runs: a file each, whose name is the key."""
    parts = PurePosixPath(path).parts
    if len(parts) > 2 and parts[-2] in ("params", "tags"):
        yield Pair(parts[-1], text.strip(), line=1)


def _windows(stream: BinaryIO, is_code: bool) -> Iterator[Piece]:
    first, kept = 1, b""
    while chunk := stream.read(WINDOW):
        window = kept + chunk
        text = window.replace(b"\0", b"").decode("latin-1") if b"\0" in window else _decoded(window)
        yield Piece(text, first=first, is_code=is_code)
        kept = window[-OVERLAP:]
        first += window[: len(window) - len(kept)].count(b"\n")


def _runs(stream: BinaryIO) -> Iterator[Piece]:
    """What can be read in a binary file."""
    kept = b""
    while chunk := stream.read(WINDOW):
        window = kept + chunk
        runs = [match[0] for match in _RUN.finditer(window)]
        runs += [match[0].replace(b"\0", b"") for match in _WIDE_RUN.finditer(window)]
        if runs:
            yield Piece(b"\n".join(runs).decode("ascii"), first=0, precise=True)
        kept = window[-OVERLAP:]


def _decoded(content: bytes) -> str:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    content = content.replace(b"\0", b"")  # UTF-16 without a mark, or a byte that hides the rest from others
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
