# SPDX-License-Identifier: Apache-2.0
"""Requirements and indexes that are URLs: what is wrong with them, and which version they name, if any."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import SplitResult, unquote, urlsplit

from wardein.dependencies import rules
from wardein.dependencies.declared import NAME, Origin, Reading, normal, normal_version
from wardein.scan.rules import Rule

HUBS = ("huggingface.co", "hf.co")
_VCS = re.compile(r"(?:git|hg|svn|bzr)\+", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)
_DIGEST = re.compile(r"(?:^|&)(?:sha256|sha384|sha512)=[0-9a-f]{64,128}(?:&|$)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{[A-Za-z0-9_]+\}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Address:
    """What a direct URL tells: where it leads, and the package and version, empty if it names none.

    The source is a digest of the URL without credentials, revision, query and fragment, so that it may be shown.
    """

    host: str
    origin: Origin
    name: str = ""
    version: str = ""
    source: str = ""


def is_address(text: str) -> bool:
    """Whether a requirement is a URL, and not a name or a path."""
    return bool(re.match(r"(?:(?:git|hg|svn|bzr)\+)?[a-z][a-z0-9+.-]*://|file:|git\+", text, re.IGNORECASE))


def read_index(reading: Reading, path: str, line: int, url: str) -> str:
    """Look at the URL of an index; returns its host, which is all of it that may be shown."""
    parts = _split(url)
    _read_scheme(reading, path, line, parts)
    return parts.hostname or "an index"


def read_flawed_index(reading: Reading, rule: Rule, path: str, line: int, url: str) -> None:
    """Look at the URL of an index whose use is a flaw by itself."""
    parts = _split(url)
    host = read_index(reading, path, line, url)
    reading.flaw(rule, path, line, host, f"{host} {_digest(parts, parts.path)}")


def read_address(
    reading: Reading,
    path: str,
    line: int,
    url: str,
    *,
    name: str = "",
    hashed: bool = False,
    held: Collection[tuple[str, str]] = (),
) -> Address:
    """Look at the URL of a requirement and say what is wrong with it.

    Args:
        reading: Takes what is found.
        path: The file that declares it.
        line: The line in that file.
        url: The URL, which may hold credentials and is not shown.
        name: The package's name, if the row tells.
        hashed: Whether the row holds a digest beside the URL.
        held: The packages and sources whose commit or digest a lock file holds.
    """
    is_vcs = bool(_VCS.match(url)) or scheme_of(url) in ("git", "ssh")
    parts = _split(_VCS.sub("", url))
    host = (parts.hostname or "").lower()
    egg = re.search(r"(?:^|&)egg=([A-Za-z0-9._-]+)", parts.fragment)
    told, version = version_of_file(parts.path)
    name = name or told or (normal(egg[1]) if egg else "")
    shown = f"{name or 'a requirement'} from {host or 'a URL'}"
    _read_scheme(reading, path, line, parts)
    source = _digest(parts, parts.path.partition("@")[0].rstrip("/").removesuffix(".git") if is_vcs else parts.path)
    # With the whole path, so that a baseline does not excuse another URL of the same host.
    identity = f"{shown} {_digest(parts, parts.path)}"
    is_held = (name, source) in held
    reading.flaw(rules.DIRECT_URL, path, line, shown, identity)
    if is_vcs:
        if not is_held:
            _read_commit(reading, path, line, shown, parts, host, identity)
        return Address(host, "vcs", name, "", source)
    if not (hashed or is_held or _DIGEST.search(parts.fragment)):
        reading.flaw(rules.URL_NO_HASH, path, line, shown, identity)
    return Address(host, "url", name, version, source)


def scheme_of(url: str) -> str:
    """The scheme in lower case; empty if it is no URL."""
    return _split(url).scheme.lower()


def _read_commit(
    reading: Reading, path: str, line: int, shown: str, parts: SplitResult, host: str, identity: str
) -> None:
    revision = unquote(parts.path.rpartition("@")[2]) if "@" in parts.path else ""
    if not _COMMIT.fullmatch(revision):
        is_hub = any(host == hub or host.endswith(f".{hub}") for hub in HUBS)
        reading.flaw(rules.HUB_NO_COMMIT if is_hub else rules.NO_COMMIT, path, line, shown, identity)


def _read_scheme(reading: Reading, path: str, line: int, parts: SplitResult) -> None:
    host = parts.hostname or ""
    secret = _VARIABLE.sub("", parts.password if parts.password is not None else "")
    user = _VARIABLE.sub("", parts.username or "")
    # A name alone is how ssh is addressed (git@host), and elsewhere how tokens are given.
    is_ssh = parts.scheme.lower().endswith("ssh")
    if secret or (user and parts.password is None and not is_ssh):
        reading.flaw(rules.CREDENTIALS, path, line, host)
    if parts.scheme.lower() in ("http", "git", "ftp", "svn") and host not in _LOOPBACK:
        reading.flaw(rules.PLAIN_HTTP, path, line, host)


def _digest(parts: SplitResult, path: str) -> str:
    """Of a URL without credentials."""
    return sha256(f"{(parts.hostname or '').lower()} {parts.netloc.rpartition('@')[2]} {path}".encode()).hexdigest()[
        :16
    ]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.hostname  # raises for brackets that do not match
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


def version_of_file(path: str) -> tuple[str, str]:
    """Name and version in the name of a wheel or of a source archive; empty if it is neither."""
    file = unquote(path.rpartition("/")[2])
    wheel = re.fullmatch(r"([A-Za-z0-9._]+)-([A-Za-z0-9_.!+]+)(?:-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl", file)
    source = re.fullmatch(r"([A-Za-z0-9._-]+)-(\d[A-Za-z0-9.!+]*)\.(?:tar\.gz|tgz|zip|tar\.bz2)", file)
    match = wheel or source
    if match is None or not NAME.fullmatch(match[1]) or not normal_version(match[2]):
        return "", ""
    return normal(match[1]), normal_version(match[2])
