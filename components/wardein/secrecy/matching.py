# SPDX-License-Identifier: Apache-2.0
"""Secrets in one text, each once, under the most telling of the rules that it breaks."""

from __future__ import annotations

import base64
import binascii
import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wardein.secrecy import names, patterns, values

_WEAK = "secret/weak-password"
_GENERIC = ("secret/password", _WEAK)
_ACCOUNT = re.compile(r"\\?[\"']type\\?[\"']\s{0,9}:\s{0,9}\\?[\"']service_account\\?[\"']")
_ENCRYPTED = re.compile(r"Proc-Type: ?4,ENCRYPTED")
_NO_BASE64 = re.compile(r"\\[nrt]|[^A-Za-z0-9+/=]")
# Lines of base64 that were wrapped belong together.
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-]{24,}+(?:\r?\n[A-Za-z0-9+/]{4,}+){0,100000}+={0,2}")
_JOINED = re.compile(r"\\\r?\n[ \t]*|(?<=[\w+/=.\-])([\"'])\s{0,80}\\?\s{0,80}\+?\s{0,80}[rbfu]?\1(?=[\w+/=.\-])")
_LINE = re.compile(r"[A-Za-z0-9+/=]{24}")
_SHORTEST_KEY = 40
_NEAR = 500
_DEPTH = 3


@dataclass(frozen=True)
class Hit:
    """A secret in a text: its rule, its value, and where it is."""

    rule: str
    value: str
    start: int
    end: int
    prefix: int = 0
    note: str = ""


class Lines:
    """Which line an offset is in, and what the line says."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def number(self, offset: int) -> int:
        """The line's number, counted from 1."""
        return bisect.bisect_right(self._starts, offset)

    def start(self, offset: int) -> int:
        """The offset that the line begins at."""
        return self._starts[self.number(offset) - 1]


def hits(text: str, *, is_code: bool = False, precise: bool = False, depth: int = 0) -> list[Hit]:
    """The secrets in a text, in its order.

    Args:
        text: The text.
        is_code: Whether what is not quoted is an expression.
        precise: Whether only what is known by its form counts, as in a binary file.
        depth: How often what is searched was decoded already.
    """
    found = [*_by_form(text, precise), *_keys(text)]
    if not precise:
        found += [
            Hit(rule, named.value, named.start, named.end)
            for named in names.assignments(text, is_code=is_code)
            if (rule := names.rule_of(named.name, named.value))
        ]
    found += _split(text, is_code, precise)
    if depth < _DEPTH:
        found += _encoded(text, precise, depth)
    return _once(found)


def _by_form(text: str, precise: bool) -> Iterator[Hit]:
    lowered = names.lower(text)
    for pattern in patterns.PATTERNS:
        if (precise and not pattern.precise) or not any(hint in lowered for hint in pattern.hints):
            continue
        group = "value" if "value" in pattern.form.groupindex else 0
        for match in pattern.form.finditer(text):
            if _is_live(pattern.rule, match[group]):
                rule = _WEAK if pattern.rule == "secret/url-password" and _is_default(match[group]) else pattern.rule
                yield Hit(rule, match[group], match.start(group), match.end(group), pattern.prefix)


def _is_default(value: str) -> bool:
    """Whether it is a plain word, as in ``guest:guest@``."""
    return value.isalpha() and value.islower() and len(value) < 10


def _is_live(rule: str, value: str) -> bool:
    if rule == "secret/docker-auth":
        return not values.is_placeholder(names.decoded(value).partition(":")[2] or "xxx")
    if rule == "secret/basic-auth":
        said = names.decoded(value)
        if ":" in said:
            return not values.is_placeholder(said.partition(":")[2] or "xxx")
        # The form with a name before the colon gives the password itself; a word after "basic" is prose.
        return not values.is_placeholder(value) and not value.isalpha() and len(values.classes(value)) > 2
    if rule in ("secret/url-password", "secret/connection-string", "secret/netrc"):
        return not values.is_placeholder(value) and not values.is_reference(value) and not value.isdigit()
    if rule == "secret/bearer-token":
        return not values.is_placeholder(value) and len(values.classes(value)) > 1 and values.bits(value) > 60
    return not values.is_documented(value)


def _keys(text: str) -> Iterator[Hit]:
    """Private keys. A key that was cut off or wrapped in quotes is one; a heading with nothing below is not."""
    if "PRIVATE KEY" in text:
        for match in patterns.PRIVATE_KEY.finditer(text):
            body = _NO_BASE64.sub("", match["value"])
            if len(body) >= _SHORTEST_KEY and _LINE.search(match["value"]) and not values.is_documented(body):
                around = text[max(match.start() - 3000, 0) : match.end() + 3000]
                yield Hit(_kind_of_key(match, body, around), body, match.start(), match.end())
    if "PuTTY-User-Key-File" in text:
        for match in patterns.PUTTY_KEY.finditer(text):
            body = _NO_BASE64.sub("", match["value"])
            rule = "secret/private-key" if match["kind"] == "none" else "secret/encrypted-private-key"
            if len(body) >= _SHORTEST_KEY:
                yield Hit(rule, body, match.start(), match.end())


def _kind_of_key(match: re.Match[str], body: str, around: str) -> str:
    if match["kind"].strip() == "ENCRYPTED" or _ENCRYPTED.search(match["value"]):
        return "secret/encrypted-private-key"
    if match["kind"].strip() == "OPENSSH":
        # The cipher's name follows a magic word and its own length.
        start = _bytes(body[:80])
        if start.startswith(b"openssh-key-v1\0") and start[19:23] != b"none":
            return "secret/encrypted-private-key"
    return "secret/gcp-service-account" if _ACCOUNT.search(around) else "secret/private-key"


def _split(text: str, is_code: bool, precise: bool) -> Iterator[Hit]:
    """Secrets that are continued on the next line, or written as several literals side by side."""
    if precise or not ("\\\n" in text or "\\\r" in text or '"' in text or "'" in text):
        return
    kept, moved, taken, shift = [], [(0, 0)], 0, 0
    for match in _JOINED.finditer(text):
        kept.append(text[taken : match.start()])
        taken, shift = match.end(), shift + match.end() - match.start()
        moved.append((match.start() - (shift - (match.end() - match.start())), shift))
    if not shift:
        return
    joined = "".join([*kept, text[taken:]])
    places = [place for place, _ in moved]
    for begin, end in _around(places[1:], len(joined)):
        part = joined[begin:end]
        for hit in [*_by_form(part, precise), *_assigned(part, is_code)]:
            if hit.value not in text:
                start = begin + hit.start
                start += moved[bisect.bisect_right(places, start) - 1][1]
                yield Hit(hit.rule, hit.value, start, start + len(hit.value), hit.prefix, hit.note)


def _around(places: Sequence[int], length: int) -> list[tuple[int, int]]:
    """What is near to one of the places, as few parts as there can be."""
    parts: list[tuple[int, int]] = []
    for place in places:
        begin, end = max(place - _NEAR, 0), min(place + _NEAR, length)
        if parts and begin <= parts[-1][1]:
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((begin, end))
    return parts


def _assigned(text: str, is_code: bool) -> Iterator[Hit]:
    for named in names.assignments(text, is_code=is_code):
        if rule := names.rule_of(named.name, named.value):
            yield Hit(rule, named.value, named.start, named.end)


def _encoded(text: str, precise: bool, depth: int) -> Iterator[Hit]:
    """Secrets in what is base64."""
    for match in _BASE64.finditer(text):
        said = names.decoded(match[0].replace("-", "+").replace("_", "/"))
        if len(said) < 16:
            continue
        for hit in hits(said, precise=precise, depth=depth + 1):
            yield Hit(hit.rule, hit.value, match.start(), match.end(), hit.prefix, "in base64")


def _once(found: list[Hit]) -> list[Hit]:
    """Of what overlaps, the most telling; of a value that is found twice, the first."""
    kept: list[Hit] = []
    # What is decoded overlaps with all that is in it; a generic rule says least.
    order = sorted(found, key=lambda h: (h.rule in _GENERIC, h.rule == _WEAK, h.start, -h.end))
    taken: list[tuple[int, int]] = []
    known: set[str] = set()
    for hit in order:
        place = bisect.bisect_left(taken, (hit.start, hit.end))
        near = taken[max(place - 1, 0) : place + 1]
        is_covered = any(start < hit.end and hit.start < end for start, end in near)
        if hit.note:
            if hit.value not in known:
                kept.append(hit)
        elif not is_covered:
            kept.append(hit)
            taken.insert(place, (hit.start, hit.end))
        known.add(hit.value)
    return sorted(kept, key=lambda h: (h.start, h.end, h.rule))


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text[: len(text) // 4 * 4])
    except binascii.Error:
        return b""
