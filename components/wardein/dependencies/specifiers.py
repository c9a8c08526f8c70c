# SPDX-License-Identifier: Apache-2.0
"""Which versions a requirement allows, and whether it applies anywhere at all."""

from __future__ import annotations

import re
from itertools import product

from packaging.markers import Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from wardein.dependencies.declared import normal_version

ALTERNATIVE = " || "
# Every minor version of Python that a marker is tried with; nobody writes one that holds only beyond.
_MINORS = range(0, 40)
_PLATFORMS = (("linux", "posix", "Linux"), ("darwin", "posix", "Darwin"), ("win32", "nt", "Windows"))
_MACHINES = ("x86_64", "AMD64", "arm64", "aarch64")
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


def can_apply(marker: str, python: str = "") -> bool:
    """Whether there is any common environment, of the Python versions that a project is for, where a marker holds.

    Args:
        marker: As PEP 508 writes it; empty holds everywhere.
        python: The project's ``requires-python``; empty for any.
    """
    if not marker or "extra" in marker or "dependency_groups" in marker:
        return True
    try:
        parsed, allowed = Marker(marker), SpecifierSet(python)
    except (ValueError, RecursionError):
        return True
    minors = [minor for minor in _MINORS if any(allowed.contains(f"3.{minor}.{patch}") for patch in (0, 99))]
    return any(
        parsed.evaluate(
            {
                "python_version": f"3.{minor}",
                "python_full_version": f"3.{minor}.{patch}",
                "implementation_version": f"3.{minor}.{patch}",
                "implementation_name": "cpython",
                "platform_python_implementation": "CPython",
                "sys_platform": platform,
                "os_name": family,
                "platform_system": system,
                "platform_machine": machine,
                "platform_release": "",
                "platform_version": "",
                "extra": "",
            }
        )
        for minor, patch, (platform, family, system), machine in product(minors, (0, 99), _PLATFORMS, _MACHINES)
    )


def pinned_text(specifier: str) -> str:
    """As :func:`pinned`, for specifiers with alternatives.

    Raises:
        ValueError: If they are no specifiers.
    """
    try:
        return "" if ALTERNATIVE in specifier else pinned(SpecifierSet(specifier))
    except InvalidSpecifier as error:
        raise ValueError(str(error)) from None
