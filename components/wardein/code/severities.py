# SPDX-License-Identifier: Apache-2.0
"""What bandit and ruff call the bugs that wardein has rules for, and whose severity is another one in ML code.

Ruff's S rules have the numbers of bandit's, so one table serves both.
"""

from __future__ import annotations

from wardein.report import Severity
from wardein.scan.rules import Rule

# Bandit's numbers of what wardein has a rule for.
CANONICAL = {
    "102": "code/eval",
    "201": "code/debug-server",
    "202": "code/tar-extract",
    "301": "code/pickle-load",
    "302": "code/marshal-load",
    "303": "code/weak-hash",
    "306": "code/mktemp",
    "307": "code/eval",
    "323": "code/tls-verify-off",
    "324": "code/weak-hash",
    "501": "code/tls-verify-off",
    "506": "code/yaml-load",
    "602": "code/shell",
    "604": "code/shell",
    "605": "code/shell",
    "614": "code/torch-load",
    "615": "code/hub-unpinned",
}
# Those whose tools tell a constant command or text, which is low, from one that is put together.
GRADED = frozenset({"code/shell", "code/eval"})


def _changed(number: str, severity: Severity, title: str, why: str, mend: str, cwe: str) -> Rule:
    taxonomy = (f"bandit:B{number}", f"ruff:S{number}")
    return Rule(f"bandit/B{number}", severity, title, why, mend, cwe, taxonomy)


_IMPORT = "It is an import: the call that follows is judged by a rule of its own."
_XML = "Expat stops entity bombs since 2.4.1, and XML is rare in ML pipelines."
_XML_MEND = "use defusedxml where the document comes from outside"

CHANGED = (
    _changed(
        "101",
        Severity.INFO,
        "asserts, which python -O leaves out",
        "Shape checks and tests are full of them, and hardly any of them guards something.",
        "raise an error where it guards something",
        "CWE-703",
    ),
    _changed(
        "104",
        Severity.LOW,
        "binds to all interfaces",
        "A model server in a container has to; the platform's network policy decides who reaches it.",
        "bind to localhost outside containers",
        "CWE-605",
    ),
    *(
        _changed(
            number,
            Severity.LOW,
            "looks like a password in the code",
            "scan-secrets finds secrets by their form; names like token and pad_token abound in language models.",
            "read it from the environment or a secret store",
            "CWE-259",
        )
        for number in ("105", "106", "107")
    ),
    _changed(
        "108",
        Severity.LOW,
        "uses a fixed path in a shared temporary folder",
        "A training job has its container to itself.",
        "use tempfile",
        "CWE-377",
    ),
    *(
        _changed(
            number,
            Severity.INFO,
            "swallows exceptions",
            "Untidy, but no way in.",
            "catch what is expected, and log it",
            "CWE-703",
        )
        for number in ("110", "112")
    ),
    _changed(
        "113",
        Severity.LOW,
        "calls out without a time limit",
        "A pipeline step has a time limit of its own: a job hangs, nobody gets in.",
        "pass timeout=",
        "CWE-400",
    ),
    _changed(
        "310",
        Severity.LOW,
        "opens a URL that may be of any scheme",
        "Where the URL is a constant, as in most download helpers, there is nothing to choose.",
        "allow https only",
        "CWE-22",
    ),
    _changed(
        "311",
        Severity.INFO,
        "uses a pseudo-random generator",
        "Seeds, shuffles and initial weights are no secrets, and have to be reproducible.",
        "use secrets for tokens and keys",
        "CWE-330",
    ),
    *(
        _changed(number, Severity.LOW, "parses XML with a parser of the standard library", _XML, _XML_MEND, "CWE-20")
        for number in ("313", "314", "315", "316", "317", "318", "319")
    ),
    *(
        _changed(number, Severity.INFO, "imports a module with dangerous functions", _IMPORT, "see that call", cwe)
        for number, cwe in (
            ("401", "CWE-319"),
            ("402", "CWE-319"),
            ("403", "CWE-502"),
            ("404", "CWE-78"),
            ("405", "CWE-20"),
            ("406", "CWE-20"),
            ("407", "CWE-20"),
            ("408", "CWE-20"),
            ("409", "CWE-20"),
            ("411", "CWE-20"),
            ("412", "CWE-284"),
            ("413", "CWE-327"),
            ("415", "CWE-319"),
        )
    ),
    _changed(
        "603",
        Severity.INFO,
        "runs a program without a shell",
        "It is what to do instead of a shell; whether the arguments are safe the rule cannot tell.",
        "check arguments that come from outside",
        "CWE-78",
    ),
    _changed(
        "606",
        Severity.INFO,
        "runs a program without a shell",
        "It is what to do instead of a shell; whether the arguments are safe the rule cannot tell.",
        "check arguments that come from outside",
        "CWE-78",
    ),
    _changed(
        "607",
        Severity.INFO,
        "runs a program that is looked up on PATH",
        "In a container PATH is part of the image.",
        "give the absolute path where PATH is not yours",
        "CWE-78",
    ),
)

# How bandit rates the rest, for ruff, which rates nothing. What is in no table is medium.
RATED = {
    "103": Severity.MEDIUM,
    "304": Severity.HIGH,
    "305": Severity.MEDIUM,
    "308": Severity.MEDIUM,
    "312": Severity.HIGH,
    "321": Severity.HIGH,
    "502": Severity.HIGH,
    "503": Severity.MEDIUM,
    "504": Severity.LOW,
    "505": Severity.HIGH,
    "507": Severity.HIGH,
    "508": Severity.MEDIUM,
    "509": Severity.MEDIUM,
    "601": Severity.MEDIUM,
    "608": Severity.MEDIUM,
    "609": Severity.HIGH,
    "610": Severity.MEDIUM,
    "611": Severity.MEDIUM,
    "612": Severity.MEDIUM,
    "701": Severity.HIGH,
    "702": Severity.MEDIUM,
    "704": Severity.MEDIUM,
}


def rule_of(number: str) -> str:
    """The canonical rule of a number of bandit's or ruff's."""
    return CANONICAL.get(number, f"bandit/B{number}")
