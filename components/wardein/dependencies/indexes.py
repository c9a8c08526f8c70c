# SPDX-License-Identifier: Apache-2.0
"""Which indexes packages are taken from, as tools' settings say it."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from typing import Any

from wardein.dependencies import rules
from wardein.dependencies.addresses import is_address, read_flawed_index, read_index, scheme_of
from wardein.dependencies.declared import Lines, Reading


def read_uv(reading: Reading, path: str, lines: Lines, settings: Mapping[str, Any]) -> None:
    """Uv's settings: the table of a pyproject.toml, or a uv.toml."""
    nested = settings.get("pip")
    for table in (settings, nested if isinstance(nested, dict) else {}):
        unsafe = str(table.get("index-strategy", "")).startswith("unsafe")
        further = rules.EXTRA_INDEX if unsafe else rules.SECOND_INDEX
        for url in [*_urls(table.get("index-url"))]:
            read_index(reading, path, lines.of(url), url)
        for url in _urls(table.get("extra-index-url")):
            line = lines.of(url)
            read_flawed_index(reading, further, path, line, url)
        for entry in _tables(table.get("index")):
            for url in _urls(entry.get("url")):
                line = lines.of(url)
                if entry.get("explicit") is not True and entry.get("default") is not True:
                    read_flawed_index(reading, further, path, line, url)
                else:
                    read_index(reading, path, line, url)
        for url in _urls(table.get("find-links")):
            _find_links(reading, path, lines.of(url), url)
        for host in _urls(table.get("allow-insecure-host")):
            reading.flaw(rules.TRUSTED_HOST, path, lines.of(host), host[:100])


def read_poetry(reading: Reading, path: str, lines: Lines, sources: Any) -> None:
    """Poetry's sources: among several primary ones the highest version wins."""
    primary = 0
    for source in _tables(sources):
        for url in _urls(source.get("url")):
            line, priority = lines.of(url), str(source.get("priority", "primary")).lower()
            primary += priority in ("primary", "default")
            if priority == "supplemental":
                read_flawed_index(reading, rules.SECOND_INDEX, path, line, url)
            elif priority == "secondary" or (priority == "primary" and primary > 1):
                read_flawed_index(reading, rules.EXTRA_INDEX, path, line, url)
            else:
                read_index(reading, path, line, url)


def read_pipfile(reading: Reading, path: str, lines: Lines, sources: Any) -> None:
    """Pipenv's sources: the first serves every package that is not bound to another."""
    for number, source in enumerate(_tables(sources)):
        for url in _urls(source.get("url")):
            line = lines.of(url)
            host = read_index(reading, path, line, url)
            if number:
                read_flawed_index(reading, rules.SECOND_INDEX, path, line, url)
            if source.get("verify_ssl") is False:
                reading.flaw(rules.TRUSTED_HOST, path, line, host)


def read_pip_settings(reading: Reading, path: str, text: str) -> None:
    """A pip.conf or pip.ini.

    Raises:
        ValueError: If it cannot be parsed.
    """
    settings, lines = configparser.RawConfigParser(strict=False), Lines(text)
    try:
        settings.read_string(text)
    except configparser.Error:
        raise ValueError("is not an INI file") from None
    for section in settings.sections():
        for name, value in settings.items(section):
            for word in value.split():
                line = lines.of(word)
                match name.replace("_", "-"):
                    case "index-url":
                        read_index(reading, path, line, word)
                    case "extra-index-url":
                        read_flawed_index(reading, rules.EXTRA_INDEX, path, line, word)
                    case "find-links":
                        _find_links(reading, path, line, word)
                    case "trusted-host":
                        reading.flaw(rules.TRUSTED_HOST, path, line, word.rpartition("@")[2][:100])


def _find_links(reading: Reading, path: str, line: int, url: str) -> None:
    if is_address(url) and scheme_of(url) != "file":
        read_flawed_index(reading, rules.FIND_LINKS, path, line, url)


def _urls(value: Any) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str) and item]


def _tables(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
