# SPDX-License-Identifier: Apache-2.0
"""From files to what was found in them: every secret once in a file's part, and no value in any of it."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from wardein.errors import WardeinError, missing_extra, printable
from wardein.report import Skipped
from wardein.scan.merge import Found
from wardein.secrecy import matching, names, values
from wardein.secrecy.documents import Pair
from wardein.secrecy.reading import Gap, Piece, pieces
from wardein.secrecy.rules import BY_ID, LOGGED

MAX_SECRETS = 200
_GENERIC = ("secret/kubernetes-secret", "secret/password", "secret/weak-password")
_NAME = re.compile(r"[A-Za-z_][\w.\-]{0,60}\W{0,8}\Z")
_CODE = re.compile(r"^\s{0,20}(?:def|import|from|class) ", re.MULTILINE)
# What a Kubernetes secret holds beside its secrets.
_PUBLIC = re.compile(
    r"(?:.*[._\-])?(?:user(?:name)?|login|host(?:name)?|port|db(?:name)?|database|crt|cert|ca|namespace|email)$", re.I
)


@dataclass(frozen=True)
class Secret:
    """A secret in a file. The value is in it, so it stays here.

    Attributes:
        columns: The first and the last column of it in its first line, counted from 1; zeros if they are not known.
        called: What stands before it, by which it is recognised when lines move.
        written: How it is written in the file, if that is another text.
    """

    rule: str
    value: str
    part: str = ""
    line: int = 0
    last: int = 0
    columns: tuple[int, int] = (0, 0)
    called: str = ""
    prefix: int = 0
    note: str = ""
    written: str = ""

    def found(self, path: str) -> Found:
        """What may be told of it."""
        rule = BY_ID[self.rule]
        note = f", {self.note}" if self.note else ""
        return Found(
            rule.id,
            masked(path),
            rule.severity,
            f"holds {rule.title}: {values.shape(self.value, self.prefix)}{note}",
            line=self.line,
            last=self.last if self.last > self.line else 0,
            part=masked(self.part),
            text=f"{self.called} {values.identity(self.value)}",
            cwe=LOGGED if self.part.endswith("output") else rule.cwe,
        )


@dataclass
class Searched:
    """What one file brought."""

    secrets: list[Secret]
    gaps: list[Gap]


def scan_files(paths: Iterable[Path]) -> list[Found]:
    """Everything that the rules find in the files, which go by the paths that they are given as.

    Raises:
        WardeinError: If one of them cannot be searched.
    """
    found: list[Found] = []
    for path in paths:
        with open_for_reading(path) as stream:
            searched = search(path.as_posix(), stream)
        if searched.gaps:
            gap = searched.gaps[0]
            raise WardeinError(gap.reason, where=", ".join(filter(None, (masked(str(path)), masked(gap.part)))))
        found += [secret.found(path.as_posix()) for secret in searched.secrets]
    return found


def open_for_reading(path: Path) -> BinaryIO:
    """Open a file.

    Raises:
        WardeinError: If it cannot be read.
    """
    from wardein.subject import open_regular

    return open_regular(path, masked(str(path)), follow=True)


def search(path: str, stream: BinaryIO, keep: Callable[[str, Piece, Sequence[Secret]], None] | None = None) -> Searched:
    """Search one file; whatever goes wrong is a gap, and says nothing of the content.

    Args:
        path: What it is called.
        stream: Its content.
        keep: Is told of every piece and of the secrets in it, by their lines in the piece, for another scanner.
    """
    known: dict[tuple[str, str], Secret] = {}
    gaps: list[Gap] = []
    try:
        for item in pieces(path, stream):
            if isinstance(item, Gap):
                gaps.append(item)
                continue
            secrets = list(_in_piece(item))
            if keep is not None:
                keep(path, item, secrets)
            for secret in secrets:
                _keep_best(known, _in_file(secret, item))
            if len(known) > MAX_SECRETS:
                gaps.append(Gap("", f"holds more than {MAX_SECRETS} secrets, too many to list"))
                break
    except (WardeinError, MemoryError):
        raise
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "?", "scan") from None
    except Exception as error:  # hostile content that no reader foresaw; its message may quote it
        gaps.append(Gap("", f"cannot be read ({type(error).__name__})"))
    return Searched(_ranked(known.values())[:MAX_SECRETS], gaps)


def skipped(path: str, gaps: Sequence[Gap]) -> list[Skipped]:
    """The gaps of a file as a report tells them."""
    return [Skipped(", ".join(filter(None, (masked(path), masked(gap.part)))), gap.reason) for gap in gaps]


def masked(name: str) -> str:
    """A name without the secrets that are in it: files and parts of files can be called anything."""
    for hit in reversed(matching.hits(name)):
        name = name[: hit.start] + hit.value[: hit.prefix] + "****" + name[hit.end :]
    return printable(name)


def _keep_best(known: dict[tuple[str, str], Secret], secret: Secret) -> None:
    other = known.get((secret.value, secret.part))
    if other is None or _rank(secret) < _rank(other):
        known[secret.value, secret.part] = secret


def _rank(secret: Secret) -> tuple[int, bool, int]:
    generic = _GENERIC.index(secret.rule) + 1 if secret.rule in _GENERIC else 0
    return (generic, not secret.line, secret.line)


def _ranked(found: Iterable[Secret]) -> list[Secret]:
    """Without those whose value a more telling rule found elsewhere in the file; in the order of their places."""
    kept = list(found)
    specific = {secret.value for secret in kept if secret.rule not in _GENERIC}
    specific |= {secret.written for secret in kept if secret.written}
    kept = [s for s in kept if s.rule not in _GENERIC or s.value not in specific or s.written == s.value]
    return sorted(kept, key=lambda s: (s.part, s.line, s.columns, s.rule, s.value))


def _in_piece(piece: Piece) -> Iterator[Secret]:
    """The secrets of a piece, their lines counted within it."""
    lines = matching.Lines(piece.text)
    for hit in matching.hits(piece.text, is_code=piece.is_code, precise=piece.precise):
        yield _secret(hit, piece.text, lines, piece.part)
    for secret in _in_pairs(piece.pairs):
        line = _line_of(secret, piece.text, lines)
        yield replace(secret, part=piece.part, line=line, last=line)


def _in_file(secret: Secret, piece: Piece) -> Secret:
    """The secret with its lines counted in the file, or without lines where the piece has none to look up."""
    if not piece.first or not secret.line:
        return replace(secret, line=0, last=0, columns=(0, 0))
    return replace(secret, line=secret.line + piece.first - 1, last=secret.last + piece.first - 1)


def _line_of(secret: Secret, text: str, lines: matching.Lines) -> int:
    """The line of what a document says: the reader's, or where the text says it without escapes."""
    position = -1 if secret.line else text.find(secret.value)
    return secret.line if position < 0 else lines.number(position)


def _secret(hit: matching.Hit, text: str, lines: matching.Lines, part: str) -> Secret:
    start = lines.start(hit.start)
    line, last = lines.number(hit.start), lines.number(max(hit.end - 1, hit.start))
    columns = (hit.start - start + 1, hit.end - start if line == last else 10**9)
    before = _NAME.search(text[max(start, hit.start - 80) : hit.start])
    return Secret(hit.rule, hit.value, part, line, last, columns, before[0] if before else "", hit.prefix, hit.note)


def _in_pairs(pairs: Sequence[Pair]) -> Iterator[Secret]:
    for pair in pairs:
        if pair.sealed:
            yield from _sealed(pair)
        elif rule := names.rule_of(pair.name, pair.value, pair.parents):
            yield Secret(rule, pair.value.strip(), line=pair.line, called=f"{pair.name} = ")
    for is_code in (False, True):
        texts = [pair for pair in pairs if bool("\n" in pair.value and _CODE.search(pair.value)) is is_code]
        yield from _in_texts(texts, is_code)


def _in_texts(pairs: Sequence[Pair], is_code: bool) -> Iterator[Secret]:
    """What is in the texts themselves, searched as one, as most of them are short."""
    starts, position = [], 0
    for pair in pairs:
        starts.append(position)
        position += len(pair.value) + 2
    text = "\n\n".join(pair.value for pair in pairs)
    lines = matching.Lines(text)
    for hit in matching.hits(text, is_code=is_code):
        number = bisect.bisect_right(starts, hit.start) - 1
        pair, start = pairs[number], starts[number]
        line = pair.line + lines.number(hit.start) - lines.number(start) if pair.line else 0
        yield replace(_secret(hit, text, lines, ""), line=line, last=line, columns=(0, 0))


def _sealed(pair: Pair) -> Iterator[Secret]:
    value = pair.value.strip()
    if pair.sealed == "data":
        value = names.decoded(value) or value
    value = value.strip()
    is_public = _PUBLIC.fullmatch(pair.name) or value.startswith("-----BEGIN CERTIFICATE")
    if len(value) >= 4 and not is_public and not values.is_placeholder(value):
        called = f"{pair.name} = "
        yield Secret("secret/kubernetes-secret", value, line=pair.line, called=called, written=pair.value.strip())
