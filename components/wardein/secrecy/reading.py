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
# A manifest of a Kubernetes secret; what is in it is base64, so its text alone tells too little.
_MANIFEST = re.compile(r"""(?:^|[{,\s\-])["']?kind["']?[ \t]*:\s*["']?Secret["']?[ \t\r]*(?:$|[,}#])""", re.MULTILINE)
_YAML_START = re.compile(r"(?:[ \t]*(?:#[^\n]{0,1000})?\r?\n){0,200}(?:apiVersion|kind|---)(?::|\s)")
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
    yield from _gaps_of_archive(path, stream, start, budget, depth, size)
    if suffix in _TEXT or PurePosixPath(path).name in _TEXT_NAMES:
        yield from _texts(path, suffix, stream, size)
    else:
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
    nodes = documents.Nodes()
    if suffix == ".ipynb":
        try:
            for cell in documents.cells(documents.read_json(text, nodes), nodes):
                yield Piece(cell.text, cell.part, cell.first, cell.is_code, pairs=cell.pairs)
            return
        except documents.TooLarge as error:
            yield Gap("", str(error))
        except (ValueError, WardeinError):
            yield Gap("", "is not a notebook that can be read")
    said: list[Pair] = []
    is_read = True
    try:
        is_read = _of_document(text, suffix, said, nodes)
    except documents.TooLarge as error:
        said.clear()
        yield Gap("", str(error))
    if not is_read and _MANIFEST.search(text):
        yield Gap("", "says that it is a Kubernetes secret, and cannot be read to its end")
    yield Piece(text, is_code=is_code, pairs=(*said, *_of_run(path, text)))


def _of_document(text: str, suffix: str, said: list[Pair], nodes: documents.Nodes) -> bool:
    """Add what a document says, with the lines that it says it in.

    Returns:
        Whether it could be read to its end; templates and fragments cannot, and only their text is searched.

    Raises:
        TooLarge: If it has too many parts.
    """
    is_yaml = suffix in (".yaml", ".yml") or _YAML_START.match(text) or (not suffix and _MANIFEST.search(text))
    is_json = suffix in (".json", ".tfstate", ".avsc") or text[:200].lstrip().startswith(("{", "["))
    if is_json and suffix not in (*CODE, ".yaml", ".yml"):
        return _of_json(text, said, nodes)
    if is_yaml and suffix not in CODE:
        read, is_whole = documents.read_yaml(text, nodes)
        for document in read:
            said += documents.pairs(document, nodes)
        return is_whole
    return True


def _of_json(text: str, said: list[Pair], nodes: documents.Nodes) -> bool:
    try:
        said += documents.pairs(documents.read_json(text, nodes), nodes)
        return True
    except documents.TooLarge:
        raise
    except ValueError:
        is_read = False
    for line in text.splitlines():  # one document a line, as in logs and evidence
        if line.startswith("{"):
            try:
                said += documents.pairs(documents.read_json(line, nodes), nodes)
                is_read = True
            except documents.TooLarge:
                raise
            except ValueError:
                if _MANIFEST.search(line):
                    return False
    return is_read


def _of_run(path: str, text: str) -> Iterator[Pair]:
    """Parameters and tags of MLflow runs: a file each, whose name is the key."""
    parts = PurePosixPath(path).parts
    if len(parts) > 1 and parts[-2] in ("params", "tags"):
        yield Pair(parts[-1], text.strip(), line=1)


def _windows(stream: BinaryIO, is_code: bool) -> Iterator[Piece | Gap]:
    first, kept, is_manifest = 1, b"", False
    while chunk := stream.read(WINDOW):
        window = kept + chunk
        text = window.replace(b"\0", b"").decode("latin-1") if b"\0" in window else _decoded(window)
        is_manifest = is_manifest or (not is_code and _MANIFEST.search(text) is not None)
        yield Piece(text, first=first, is_code=is_code)
        kept = window[-OVERLAP:]
        first += window[: len(window) - len(kept)].count(b"\n")
    if is_manifest:
        yield Gap("", f"says that it is a Kubernetes secret, and has more than {WHOLE} bytes")


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
