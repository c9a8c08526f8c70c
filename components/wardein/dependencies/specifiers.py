# SPDX-License-Identifier: Apache-2.0
"""Which versions a requirement allows, and whether it applies anywhere at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from packaging.markers import Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from wardein.dependencies.declared import normal_version

ALTERNATIVE = " || "
# Every minor version of Python that a marker is tried with; nobody writes one that holds only beyond.
_MINORS = range(0, 40)
MAX_MARKER = 1000
_SIDE = r'("[^"]*"|[a-z_.]+)'
_COMPARISON = re.compile(rf"{_SIDE} (not in|in|===|==|~=|!=|<=|>=|<|>) {_SIDE}")
_COMPARED = re.compile(r"\s*(\^|~|==|===|!=|>=|<=|>|<|~=)?\s*(\d[^\s,]*|\*)\s*")


def pinned(specifiers: SpecifierSet) -> str:
    """The one version that specifiers allow, as PEP 440 normalises it; empty if they pin none, or contradict it."""
    exact = {s.version for s in specifiers if s.operator in ("==", "===") and not s.version.endswith(".*")}
    versions = {normal_version(text) for text in exact}
    if len(versions) != 1 or "" in versions:
        return ""
    version = versions.pop()
    others = SpecifierSet(",".join(str(s) for s in specifiers if s.operator != "==="))
    return version if others.contains(version, prereleases=True) else ""


def allows(specifier: str, version: str) -> bool:
    """Whether a version fits specifiers, with alternatives between them; none at all fit everything.

    Raises:
        ValueError: If they are no specifiers.
    """
    if not specifier.strip():
        return True
    try:
        parts = [SpecifierSet(part) for part in specifier.split(ALTERNATIVE.strip())]
    except InvalidSpecifier as error:
        raise ValueError(str(error)) from None
    return any(part.contains(version, prereleases=True) for part in parts)


def of_poetry(text: str) -> str:
    """Poetry's version constraint as PEP 440 specifiers: ``^1.2`` is ``>=1.2,<2``, a bare version is ``==``.

    Raises:
        ValueError: If it is none.
    """
    if len(text) > 500:
        raise ValueError("longer than any constraint")
    alternatives = []
    for part in re.split(r"\s*\|\|?\s*", text.strip()):
        # Poetry takes a space for a comma.
        words = [word for word in re.split(r"[,\s]+", re.sub(r"([<>=!~^])\s+", r"\1", part)) if word]
        if not words:
            raise ValueError("an empty constraint")
        alternatives.append(",".join(spec for word in words if (spec := _one(word))))
    return "" if "" in alternatives else ALTERNATIVE.join(alternatives)


def _one(word: str) -> str:
    match = _COMPARED.fullmatch(word)
    if match is None:
        raise ValueError("not a constraint")
    operator, version = match[1] or "", match[2]
    if version == "*":
        return ""
    if operator in ("", "=="):
        return f"=={version.replace('.x', '.*')}"
    if operator not in ("^", "~"):
        return f"{operator}{version}"
    if not normal_version(version):
        raise ValueError("not a version")
    release = list(Version(version).release)
    if operator == "~":
        keep = min(len(release), 2)
    else:  # up to and with the first part that is not zero
        keep = next((index + 1 for index, number in enumerate(release) if number), len(release))
    upper = [*release[: keep - 1], release[keep - 1] + 1]
    return f">={version},<{'.'.join(map(str, upper))}"


@lru_cache(maxsize=4096)
def can_apply(marker: str, python: str = "") -> bool:
    """Whether there may be an environment, of the Python 3 versions that a project is for, where a marker holds.

    Only what a marker says on Python's version is decided: of platforms there are more than anybody could list, so
    that every comparison with one is taken to hold somewhere. A marker without "not" cannot become false by that.

    Args:
        marker: As PEP 508 writes it; empty holds everywhere.
        python: The project's ``requires-python``; empty for any.
    """
    if not marker or "extra" in marker or "dependency_groups" in marker or len(marker) > MAX_MARKER:
        return True
    try:
        parsed, allowed = Marker(_COMPARISON.sub(_decidable, str(Marker(marker)))), SpecifierSet(python)
        candidates = [version for version in _pythons(marker + python) if allowed.contains(version, prereleases=True)]
        return not candidates or any(
            parsed.evaluate({"python_version": ".".join(version.split(".")[:2]), "python_full_version": version})
            for version in candidates
        )
    except (ValueError, RecursionError):
        return True


def _decidable(comparison: re.Match[str]) -> str:
    """A comparison of Python's version with a version; one that always holds for every other."""
    sides = {comparison[1], comparison[3]}
    variables = {side for side in sides if not side.startswith('"')}
    is_text = comparison[2] in ("in", "not in")
    decided = variables == {"python_version"} or (variables == {"python_full_version"} and not is_text)
    return comparison[0] if decided and len(sides) == 2 else 'python_version >= "3"'


def _pythons(text: str) -> Iterator[str]:
    """Versions of Python 3 on either side of every version that a text names, and the first and last of each minor."""
    yield from (f"3.{minor}.{patch}" for minor in _MINORS for patch in (0, 99))
    for major, minor, patch in set(re.findall(r"(?<![\w.])(\d{1,2})(?:\.(\d{1,4}))?(?:\.(\d{1,4}))?(?![\d])", text)):
        if int(major) >= 3:
            number = int(patch or 0)
            yield from (f"{major}.{minor or 0}.{near}" for near in (number - 1, number, number + 1) if near >= 0)


def pinned_text(specifier: str) -> str:
    """As :func:`pinned`, for specifiers with alternatives.

    Raises:
        ValueError: If they are no specifiers.
    """
    try:
        return "" if ALTERNATIVE in specifier else pinned(SpecifierSet(specifier))
    except InvalidSpecifier as error:
        raise ValueError(str(error)) from None
