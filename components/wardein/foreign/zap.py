# SPDX-License-Identifier: Apache-2.0
"""ZAP's traditional JSON report, with or without requests and responses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from wardein.foreign.document import Node
from wardein.foreign.reading import UNTOLD_VERSION, Issue, Reading, Target, Unread, cwe_of
from wardein.foreign.text import is_about_secrets, one_line
from wardein.report import Severity, Tool

_RISKS = {"3": Severity.HIGH, "2": Severity.MEDIUM, "1": Severity.LOW, "0": Severity.INFO}
_FALSE_POSITIVE = "0"
# What ZAP notes of a scan that did not get through.
_TROUBLE = ("insight.network", "insight.auth", "insight.exit")


def recognises(value: Any) -> bool:
    """Whether it looks like a report of ZAP."""
    return isinstance(value, dict) and "site" in value and ("@version" in value or "@programName" in value)


def read(document: Node) -> Reading:
    """Read a report.

    Raises:
        WardeinError: If it is not of the form.
    """
    sites = document.at("site").items()
    names = [site.at("@name").text() for site in sites]
    version = one_line(document.text_at("@version") or UNTOLD_VERSION, 60)
    return Reading(
        tool="zap",
        tools=(Tool("zap", version),),
        targets=(Target(names=tuple(names)),),
        made=(_time(document),),
        issues=tuple(issue for site in sites for alert in site.at("alerts").items() for issue in _issues(alert, site)),
        unit="sites",
        examined=len(sites),
        expected=len(sites),
        unread=tuple(
            Unread(f"ZAP told: {i.text_at('description')}", what=i.text_at("site") or "some sites")
            for i in document.each("insights")
            if i.text_at("key").startswith(_TROUBLE) and i.text_at("reason") == "Exceeded High"
        ),
    )


def _time(document: Node) -> datetime | None:
    """The new exact time, else the old one for people: ``Fri, 3 Sep 2021 14:00:00``, without a zone."""
    if document.has("created"):
        return document.time_at("created")
    told = document.maybe("@generated")
    if told is None or not told.text():
        return None
    for form in ("%a, %d %b %Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%a %d %b %Y %H:%M:%S"):
        try:
            return datetime.strptime(told.text().strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return told.time()


def _issues(alert: Node, site: Node) -> Iterator[Issue]:
    rule = alert.text_at("alertRef") or alert.at("pluginid").text()
    name = alert.text_at("name") or alert.text_at("alert")
    secret = is_about_secrets(name)
    # Reports may leave out the requests of an alert.
    for uri, method, part in [_request(instance) for instance in alert.each("instances")] or [("", "", "")]:
        yield Issue(
            rule=f"zap/{rule}",
            message=name or rule,
            severity=_RISKS.get(alert.at("riskcode").text().strip()),
            # The secret may be what the parameter is called, or stand in the path, as in /reset/TOKEN.
            place=f"{method} {'/' if secret else _shown(uri, site.at('@name').text())}".strip(),
            part=f"parameter {part}" if part and not secret else "",
            identity="" if secret else f"{name} {part}",
            cwe=cwe_of(alert.text_at("cweid")) if alert.text_at("cweid") not in ("", "-1") else "",
            secret=secret,
            suppressed="marked as a false positive" if alert.text_at("confidence") == _FALSE_POSITIVE else "",
        )


def _request(instance: Node) -> tuple[str, str, str]:
    return instance.text_at("uri"), instance.text_at("method"), instance.text_at("param")


def _shown(uri: str, site: str) -> str:
    """The path that was asked for, with its host if not the site's; never the query, which may hold anything."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        return "an address of no form"
    path = parts.path or "/"
    return path if not host or uri.startswith(site) else f"{host}{path}"
