# SPDX-License-Identifier: Apache-2.0
"""The rules of a SARIF run, with what wardein's own say of themselves, and the weaknesses (CWE) that they are about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wardein.export.alerts import Alert
from wardein.export.text import one_line
from wardein.report import Severity
from wardein.scan.catalogue import known_rules
from wardein.scan.rules import Rule

# The scale of CVSS, in the middle of each of its qualitative ratings.
SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
    Severity.INFO: "0.1",
}
# GitHub refuses a rule with more than twenty tags, and shows ten.
MAX_TAGS = 10
_DEFINITION = "https://cwe.mitre.org/data/definitions/{}.html"


@dataclass
class Rules:
    """The rules of a run in the order in which they are met, each with the worst of its alerts, and all weaknesses."""

    index: dict[str, int] = field(default_factory=dict)
    worst: dict[str, Alert] = field(default_factory=dict)
    cwes: dict[str, int] = field(default_factory=dict)
    cwes_of: dict[str, dict[str, None]] = field(default_factory=dict)

    def number_of(self, alert: Alert) -> int:
        """The rule's index, which it gets when its first alert comes."""
        known = self.worst.get(alert.rule)
        if known is None or (not alert.fails, alert.severity.rank) < (not known.fails, known.severity.rank):
            self.worst[alert.rule] = alert
        for number in alert.cwes:
            self.cwes.setdefault(number, len(self.cwes))
            self.cwes_of.setdefault(alert.rule, {})[number] = None
        return self.index.setdefault(alert.rule, len(self.index))

    def reference(self, number: str) -> dict[str, Any]:
        """What names a weakness in the run's taxonomy."""
        return {"id": number, "index": self.cwes[number], "toolComponent": {"name": "CWE", "index": 0}}

    def to_json(self) -> list[dict[str, Any]]:
        """The rules as reporting descriptors."""
        return [self._rule(name) for name in self.index]

    def taxonomies(self) -> list[dict[str, Any]]:
        """CWE, as far as it is used; empty if it is not."""
        taxa = [
            {"id": n, "shortDescription": {"text": f"CWE-{n}"}, "helpUri": _DEFINITION.format(n)} for n in self.cwes
        ]
        said = {
            "name": "CWE",
            "organization": "MITRE",
            "shortDescription": {"text": "Common Weakness Enumeration"},
            "informationUri": "https://cwe.mitre.org/",
            "isComprehensive": False,
            "taxa": taxa,
        }
        return [said] if taxa else []

    def _rule(self, name: str) -> dict[str, Any]:
        worst, cwes = self.worst[name], list(self.cwes_of.get(name, ()))
        own = known_rules().get(name)
        tags = ["security", one_line(worst.check), *(f"external/cwe/cwe-{int(number):03}" for number in cwes)]
        tags += [one_line(tag, 100) for tag in worst.tags]
        return {
            "id": one_line(name),
            **(_own_words(own, cwes) if own else _words(worst)),
            "defaultConfiguration": {"level": level(worst)},
            "relationships": [{"target": self.reference(number), "kinds": ["superset"]} for number in cwes],
            "properties": {
                "security-severity": SCORES[worst.severity],
                "tags": [tag for tag in dict.fromkeys(tags) if tag][:MAX_TAGS],
            },
        }


def level(alert: Alert) -> str:
    """``error`` is what makes a verdict FAIL, whatever its severity."""
    if alert.fails:
        return "error"
    return "warning" if alert.severity.rank <= Severity.MEDIUM.rank else "note"


def message(text: str) -> str:
    """A plain text message; ``[text](target)``, which viewers make a link of, is taken apart."""
    return one_line(text).replace("](", "] (") or "(no message)"


def _words(worst: Alert) -> dict[str, Any]:
    """What can be said of somebody else's rule."""
    about = f"wardein {worst.check.replace('_', '-')} --help tells what this check looks at."
    return {
        "shortDescription": {"text": message(f"{worst.rule} ({worst.check})")},
        "fullDescription": {"text": message(worst.message)},
        "help": {"text": message(about)},
    }


def _own_words(rule: Rule, cwes: list[str]) -> dict[str, Any]:
    links = [f"[CWE-{number}]({_DEFINITION.format(number)})" for number in cwes]
    others = [f"`{name}`" for name in rule.taxonomy]
    markdown = [f"**Why {rule.severity}:** {rule.why}", f"**Instead:** {rule.mend}"]
    markdown += [f"Weakness: {', '.join(links)}"] if links else []
    markdown += [f"Other tools' rules that say the same: {', '.join(others)}"] if others else []
    return {
        "shortDescription": {"text": message(rule.title)},
        "fullDescription": {"text": message(f"{rule.title}. {rule.why}")},
        "help": {
            "text": message(f"Why {rule.severity}: {rule.why} Instead: {rule.mend}"),
            "markdown": "\n\n".join(markdown),
        },
    }
