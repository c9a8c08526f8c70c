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
from wardein.secrecy.values import identity
from wardein.tools import trivy

PLACE = "image configuration"
_HISTORY = "build history"
# What a variable's name ends with when its value is a secret.
_SECRET = re.compile(
    r"(?:.*[_.-]|PG|SSH|DB|MYSQL|REDIS|SMTP|LDAP)?(?:PASS(?:WORD|WD|PHRASE)?|SECRET(?:_KEY)?|TOKEN(?:_READ|_WRITE)?"
    r"|(?:API|PRIVATE|STORAGE|ACCOUNT|ENCRYPTION|SIGNING|MASTER)_?KEY|ACCESS_?KEY(?:_ID)?|CREDENTIALS?)|.+_PWD",
    re.IGNORECASE,
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")  # in dbPassword
# A value that is none: empty, a reference, the path of a file, a word that says yes or no.
_NO_VALUE = re.compile(
    r"|\$(?:[({].*|[A-Z_][A-Z0-9_]*|[a-z_][a-z0-9_]*|[0-9@*#?!$])?\W{0,3}|\.\*.*|`.*|\{\{.*|%\(.*|file://.*|__\w+__|\*+|<.*>"
    r"|/|~?/[^/\d]*|[\w.~-]*/[\w.@~-]+/[\w.@/~-]*|[\w./~-]*\.(?:json|ya?ml|toml|ini|cfg|conf|txt|pem|key|crt|p12|jks)"
    r"|(?i:true|false|none|null|yes|no|on|off|ok)|\d{1,3}",
    re.DOTALL,
)
# What language models' tokens are called, whose values are short.
_MARKER = re.compile(r"(?:PAD|[EB]OS|UNK|SEP|CLS|MASK|START|STOP|END|IMAGE)_TOKEN=.{0,20}", re.IGNORECASE)
# One can stand in the value of another: JAVA_OPTS=-Ddb.password=…
_ASSIGNED = re.compile(r"(?<![\w$])(?=([A-Za-z_][A-Za-z0-9_]{1,80})=(\"[^\"]{0,500}\"|'[^']{0,500}'|[^\s;&|]{0,500}))")
_WITH_PASSWORD = re.compile(
    r"[A-Za-z][\w+.-]*://[^/\s:@\"']*:(?!\*+@|\$)[^/\s@\"']+@|https?://(?!\$)[^/\s:@\"'$]{16,}@"
)
# Where in the configuration a line is that trivy tells of: "NAME=… in a list of settings, "NAME": … elsewhere.
_NAMED = re.compile(r'\s*"([^"=]{0,200})(=|": ?")')
# A name that is surely one. Others are not told: they can be a value that somebody put in the wrong place.
_NAME = re.compile(r"[A-Za-z_]\w{0,80}(?:\.[A-Za-z_]\w{0,80}){0,8}")
_MOST_VALUES = 100  # that are told apart one by one, each of which takes time
_FILE_VARIABLE = re.compile(r"""([A-Za-z_][\w.-]{0,80})["']?\s*[:=]\s*["']?\*{3}""")
_BASE = "org.opencontainers.image.base"


def read_secrets(scan: trivy.Scan, copy: VerifiedImage, found: Outcome) -> None:
    """Secrets in the files of every layer, also of deleted ones, and in the configuration; without their values."""
    found.examined += len(copy.diff_ids) + 1  # and the configuration
    secrets = list(_of_trivy(scan, copy))
    told = {(item.part, item.text.partition(" ")[0]) for item in secrets if item.path == PLACE}
    own = [item for item in _of_settings(copy.config) if (item.part, item.text.partition(" ")[0]) not in told]
    secrets += own
    findings = merged(secrets, found.fail_severity)
    found.findings += findings
    found.count("secrets", [str(finding.severity) for finding in findings], len(copy.diff_ids) + 1)


def _of_trivy(scan: trivy.Scan, copy: VerifiedImage) -> Iterator[Found]:
    texts = {part: text for part, text in _texts(copy.config) if part.startswith(("ENV ", "label "))}
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
                name = f"{name} {identity(texts[part])}" if name and part in texts else name
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
    part = _part("ENV" if named[2] == "=" else "label", named[1])
    return part, named[1] if " " in part else ""


def _part(kind: str, name: str) -> str:
    return f"{kind} {name}" if _NAME.fullmatch(name) else kind


def _of_settings(config: Mapping[str, Any]) -> Iterator[Found]:
    values: set[str] = set()
    for part, text in _texts(config):
        names = set()
        for name, value in _ASSIGNED.findall(text):
            if _is_secret(name, value.strip("\"'")) and name not in names:
                names.add(name)
                yield _own(rules.SECRET_VARIABLE, part, name, _told_apart(value.strip("\"'"), values))
        if address := _WITH_PASSWORD.search(text):
            yield _own(rules.CREDENTIALS_IN_URL, part, "", _told_apart(address[0], values))


def _is_secret(name: str, value: str) -> bool:
    return bool(
        _SECRET.fullmatch(_HUMP.sub("_", name))
        and not _NO_VALUE.fullmatch(value)
        and not _MARKER.fullmatch(f"{name}={value}")
    )


def _told_apart(value: str, values: set[str]) -> str:
    """What makes a baseline know a value from another one, without telling it."""
    if len(values) < _MOST_VALUES:
        values.add(value)
    return identity(value) if value in values else identity("\0".join(sorted(values)))


def _own(rule: Rule, part: str, name: str, value: str) -> Found:
    what = f"{rule.title}: {name}" if name else rule.title
    message = f"{what} (the value is not shown); {rule.mend[0].lower()}{rule.mend[1:]}"
    return Found(rule.id, PLACE, rule.severity, message, part=part, text=f"{name} {value}", cwe=rule.cwe)


def _texts(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text in a configuration that a build or a person wrote, with the part that it stands in."""
    for settings in (config.get("config"), config.get("container_config")):  # the latter: of the last build step
        yield from _of_part(settings if isinstance(settings, dict) else {})
    history = config.get("history")
    for entry in history if isinstance(history, list) else ():
        if isinstance(entry, dict):
            yield _HISTORY, f"{entry.get('created_by', '')} {entry.get('comment', '')}"


def _of_part(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            for name, text in value.items():
                yield _part("label", name) if key == "Labels" else str(key), f"{name}={text}"
        for text in value if isinstance(value, list) else ():
            name, assigned, _ = str(text).partition("=")
            yield _part("ENV", name if assigned else "") if key == "Env" else str(key), str(text)


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
    user = str(settings.get("User") or "")
    accounts = copy.of_kind("accounts")
    unread = [record for record in accounts if record.problem]
    if unread and not is_root(user) and not _number(user):
        found.skip("", unread[0].path, f"{unread[0].problem}, so it is not known whether the image's user is root")
    listed = {name for record in accounts for name in record.roots}
    if (is_root(user) or _account(user) in listed) and "DS-0002" not in known:
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
    name = _account(user)
    return name in ("", "root") or _number(user) == "0"


def _account(user: str) -> str:
    return user.partition(":")[0].strip()


def _number(user: str) -> str:
    """The uid, without what Go's reader of numbers takes as well: a sign and zeros; empty for an account's name."""
    number = re.fullmatch(r"[+-]?0*(\d+)", _account(user))
    return number[1] if number else ""
