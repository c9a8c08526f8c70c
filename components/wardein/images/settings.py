# SPDX-License-Identifier: Apache-2.0
"""What an image's configuration gives away: secrets in settings and history, who runs it, what it was built on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from wardein.images import rules
from wardein.images.copy import VerifiedImage
from wardein.images.outcome import RATED, Outcome
from wardein.report import Severity
from wardein.scan.merge import Found, merged
from wardein.scan.rules import Rule
from wardein.tools import trivy

PLACE = "image configuration"
_HISTORY = "build history"
# What a variable's name ends with when its value is a secret.
_SECRET = re.compile(
    r"(?:.*[_.-])?(?:PASS(?:WORD|WD|PHRASE)?|SECRET(?:_KEY)?|TOKEN|API_?KEY|ACCESS_?KEY(?:_ID)?|PRIVATE_?KEY|CREDENTIALS?)",
    re.IGNORECASE,
)
# A value that is none: empty, a reference, the path of a file, a word that says yes or no.
_NO_VALUE = re.compile(r"|\$.*|/.*|\*+|<.*>|true|false|none|null|yes|no|\d{1,3}", re.IGNORECASE | re.DOTALL)
_ASSIGNED = re.compile(r"(?<![\w$])([A-Za-z_][A-Za-z0-9_]{1,80})=(\"[^\"]*\"|'[^']*'|[^\s;&|]*)")
_WITH_PASSWORD = re.compile(
    r"[A-Za-z][\w+.-]*://[^/\s:@\"']*:(?!\*+@|\$)[^/\s@\"']+@|https?://(?!\$)[^/\s:@\"'$]{16,}@"
)
# Where in the configuration a line is that trivy tells of: "NAME=… in a list of settings, "NAME": … elsewhere.
_NAMED = re.compile(r'\s*"([\w.\-/]{1,80})(=|": ?")')
_FILE_VARIABLE = re.compile(r"""([A-Za-z_][\w.-]{0,80})["']?\s*[:=]\s*["']?\*{3}""")
_BASE = "org.opencontainers.image.base"


def read_secrets(scan: trivy.Scan, copy: VerifiedImage, found: Outcome) -> None:
    """Secrets in the files of every layer, also of deleted ones, and in the configuration; without their values."""
    found.examined += len(copy.diff_ids) + 1  # and the configuration
    secrets = list(_of_trivy(scan, copy))
    told = {(item.part, item.text) for item in secrets if item.path == PLACE}
    secrets += [item for item in _of_settings(copy.config) if (item.part, item.text) not in told]
    findings = merged(secrets, found.fail_severity)
    found.findings += findings
    found.count("secrets", [str(finding.severity) for finding in findings], len(copy.diff_ids) + 1)


def _of_trivy(scan: trivy.Scan, copy: VerifiedImage) -> Iterator[Found]:
    for result in scan.results:
        target = str(result.get("Target", ""))
        in_settings = target.startswith(str(copy.layout))
        for item in result.get("Secrets") or ():
            rule, rated = str(item.get("RuleID")), str(item.get("Severity", "")).lower()
            severity = Severity(rated) if rated in RATED else Severity.CRITICAL
            message = f"{item.get('Title') or rule} (the value is not shown)"
            part, name, line = "", "", int(item.get("StartLine") or 0)
            if in_settings:
                part, name, line = *_setting(str(item.get("Match", ""))), 0
            elif variable := _FILE_VARIABLE.search(str(item.get("Match", ""))):
                name = variable[1]
            path = PLACE if in_settings else target.lstrip("/")
            # The name of what holds the value makes it recognisable; the rest of the line may hold another secret.
            yield Found(rule, path, severity, message, f"trivy:{rule}", line, part=part, text=name, cwe="CWE-798")


def _setting(line: str) -> tuple[str, str]:
    """The part of the configuration that a line lies in, and the name of the setting."""
    named = _NAMED.match(line)
    if named is None:
        return "", ""
    if named[1] == "created_by":
        assigned = _FILE_VARIABLE.search(line)
        return _HISTORY, assigned[1] if assigned else ""
    return (f"ENV {named[1]}" if named[2] == "=" else f"label {named[1]}"), named[1]


def _of_settings(config: Mapping[str, Any]) -> Iterator[Found]:
    for part, text in _texts(config):
        names = set()
        for name, value in _ASSIGNED.findall(text):
            if _SECRET.fullmatch(name) and not _NO_VALUE.fullmatch(value.strip("\"'")) and name not in names:
                names.add(name)
                yield _own(rules.SECRET_VARIABLE, part, name)
        if _WITH_PASSWORD.search(text):
            yield _own(rules.CREDENTIALS_IN_URL, part, "")


def _own(rule: Rule, part: str, name: str) -> Found:
    what = f"{rule.title}: {name}" if name else rule.title
    message = f"{what} (the value is not shown); {rule.mend[0].lower()}{rule.mend[1:]}"
    return Found(rule.id, PLACE, rule.severity, message, part=part, text=name, cwe=rule.cwe)


def _texts(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text in a configuration that a build or a person wrote, with the part that it stands in."""
    settings = config.get("config")
    for key, value in (settings if isinstance(settings, dict) else {}).items():
        if isinstance(value, dict):
            for name, text in value.items():
                yield f"label {name}" if key == "Labels" else str(key), f"{name}={text}"
        for text in value if isinstance(value, list) else ():
            name = str(text).partition("=")[0]
            yield f"ENV {name}" if key == "Env" else str(key), str(text)
    history = config.get("history")
    for entry in history if isinstance(history, list) else ():
        if isinstance(entry, dict):
            yield _HISTORY, f"{entry.get('created_by', '')} {entry.get('comment', '')}"


def read_configuration(scan: trivy.Scan, copy: VerifiedImage, found: Outcome) -> None:
    """Who runs the image, whether its health is checked, and whether it says what it is and was built on."""
    results = [result for result in scan.results if result.get("Class") == "config"]
    summary = [result.get("MisconfSummary") or {} for result in results]
    checks = sum(int(s.get("Successes", 0)) + int(s.get("Failures", 0)) for s in summary)
    if not checks:
        found.skip("", PLACE, "trivy applied no check to it")
        return
    found.examined += 1
    failed = [i for r in results for i in r.get("Misconfigurations") or () if i.get("Status") == "FAIL"]
    rated = [(str(i.get("ID")), str(i.get("Severity", "")), str(i.get("Message") or i.get("Title"))) for i in failed]
    # Trivy reads the history, which is a note of whoever built the image; what counts is the configuration itself.
    settings = copy.config.get("config") or {}
    known = {rule for rule, _, _ in rated}
    if is_root(str(settings.get("User") or "")) and "DS-0002" not in known:
        rated.append(("DS-0002", "high", "Image user should not be 'root'; the history says otherwise"))
    if not settings.get("Healthcheck") and "DS-0026" not in known:
        rated.append(("DS-0026", "low", "No health check is set; the history says otherwise"))
    labels = settings.get("Labels") or {}
    if f"{_BASE}.name" in labels and f"{_BASE}.digest" not in labels and "@sha256:" not in labels[f"{_BASE}.name"]:
        rule = rules.BASE_NOT_PINNED
        rated.append((rule.id, rule.severity, rule.title))
    for rule_id, severity, message in rated:
        found.add(rule_id, severity, message, PLACE)
    if copy.tags and not any("@sha256:" in tag for tag in copy.tags):
        found.inform(rules.KNOWN_BY_TAG.id, rules.KNOWN_BY_TAG.title, PLACE)
    found.count("misconfigurations", [severity for _, severity, _ in rated], checks)


def is_root(user: str) -> bool:
    """Whether a configuration's user is uid 0; nobody named means root."""
    name = user.partition(":")[0].strip()
    return name in ("", "root") or (name.isdecimal() and int(name) == 0)
