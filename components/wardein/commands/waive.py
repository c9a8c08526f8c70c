# SPDX-License-Identifier: Apache-2.0
"""A waiver, asked for and signed by whoever owns it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wardein.errors import UsageError, WardeinError, printable

EPILOG = """A finding of an evidence file:  wardein waive --evidence scan.jsonl --rule CVE-2026-1234 …
A rule on one model or image:   wardein waive --check scan_image --rule CVE-2026-1234 --subject SHA256 …
A package's versions:           wardein waive --check scan_image --rule CVE-2026-1234 \\
                                  --package pkg:pypi/pillow --versions '>=9,<9.0.1' …
What a vendor says:             wardein waive --vex vendor.openvex.json …

Somebody else then signs it too: wardein countersign FILE --trust trust.json --key URI"""


def run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Write the waiver that the options describe."""
    parser.epilog = EPILOG
    add = parser.add_argument
    add("--rule", default="", help="the finding's rule or its CVE; exact, no pattern")
    add(
        "--check",
        default="",
        help="the check that made the finding (default: as the evidence says; scan_image for VEX)",
    )
    add("--evidence", type=Path, help="an evidence file with the finding: check and fingerprint are taken from it")
    add("--location", default="", help="where the finding is, if the evidence has several of the rule")
    add("--fingerprint", default="", help="the finding's fingerprint: it is waived wherever it is found again")
    add("--subject", default="", help="the sha256 of what was judged: every finding of the rule on it is waived")
    add("--package", default="", help="a package URL without version, together with --versions")
    add("--versions", default="", help="a PEP 440 range with an upper end for pkg:pypi, else '==1.2 || ==1.3'")
    add("--vex", type=Path, help="an OpenVEX document: its not_affected statements are asked for, each as one waiver")
    add("--justification", default="", help="why the finding is accepted, in words (taken from the VEX if left out)")
    add("--days", type=float, default=30.0, help="for how long, from now (default: 30; the policy sets the limit)")
    add("--trust", type=Path, required=True, help="the trust root: whose key it is, and for which environment")
    add("--key", required=True, metavar="URI", help="the owner's key, with the role waive")
    add("--out", type=Path, required=True, help="the file to write; it must not exist")
    options = parser.parse_args(argv)
    return waive(options)


def waive(options: argparse.Namespace) -> int:
    """Sign one waiver for each thing that is asked for, and write them to one file.

    Raises:
        WardeinError: If the scope is not exactly one, the key has not the role, or the file exists.
    """
    from wardein import files
    from wardein.evidence import trust as trust_root
    from wardein.evidence.envelope import seal
    from wardein.evidence.keys import signer_for
    from wardein.evidence.statement import WAIVER, write
    from wardein.evidence.statement import read as read_statement
    from wardein.release.waivers import Waiver, has_an_end, predicate, read, scope_digest
    from wardein.subject import Subject

    if options.out.exists():
        raise UsageError("exists", where=str(options.out), mend="name a new file; every waiver is a file of its own")
    if not 0 < options.days <= 3650:
        raise UsageError("is not a number of days between 0 and 3650", where="--days")
    root, signer = trust_root.load(options.trust), signer_for(options.key)
    owner = trust_root.holder_of(root, signer, "waive")
    now = datetime.now(UTC).replace(microsecond=0)
    lines = []
    for asked in _asked(options):
        until = now + timedelta(days=options.days)
        waiver = Waiver(environment=root.environment, owner=owner.identity, not_before=now, expires=until, **asked)
        payload = write([Subject("scope", scope_digest(waiver))], WAIVER, predicate(waiver))
        try:
            read(read_statement(payload))
        except ValueError as error:
            raise UsageError(str(error), where="--rule", mend="see docs/waivers.md") from None
        if not has_an_end(waiver):
            mend = "give an upper end, like '>=9,<9.0.1', or for other ecosystems '==1.2 || ==1.3'"
            raise UsageError(f"{waiver.versions!r} has no end", where="--versions", mend=mend)
        lines.append(seal(payload, signer).to_line())
        print(printable(f"{waiver.check}: {waiver.label} until {waiver.expires:%Y-%m-%d}, owned by {waiver.owner}"))
    files.write_whole(options.out, b"".join(lines))
    print(f"{options.out}: counts once somebody else signs it: wardein countersign {options.out} --trust … --key …")
    return 0


def _asked(options: argparse.Namespace) -> list[dict[str, str]]:
    """The check, rule, scope and justification of each waiver."""
    if options.vex is not None:
        return _asked_by_vex(options)
    asked = {"check": options.check, "rule": options.rule, "justification": options.justification}
    if not options.rule:
        raise UsageError("is required", where="--rule", mend="name the finding's rule, or give --vex")
    if options.evidence is not None:
        asked |= _finding(options)
    scope = {name: getattr(options, name) for name in ("fingerprint", "subject", "package", "versions")}
    asked |= {name: value for name, value in scope.items() if value}
    missing = next((name for name in ("check", "justification") if not asked[name].strip()), "")
    if missing:
        raise UsageError("is required", where=f"--{missing}")
    return [asked]


def _asked_by_vex(options: argparse.Namespace) -> list[dict[str, str]]:
    from wardein.release import openvex

    requests, passed_over = openvex.read(options.vex)
    for line in passed_over:
        print(printable(f"not asked for: {line}"))
    wanted = [r for r in requests if not options.rule or r.rule == options.rule]
    if not wanted:
        raise UsageError(
            "holds no statement to ask for", where=str(options.vex), mend="its status must be not_affected"
        )
    return [
        {
            "check": options.check or "scan_image",
            "rule": request.rule,
            "package": request.package,
            "versions": request.versions,
            "justification": options.justification or request.justification,
        }
        for request in wanted
    ]


def _finding(options: argparse.Namespace) -> dict[str, str]:
    """The one finding of the evidence that is meant."""
    from wardein import wire
    from wardein.evidence.envelope import read_claims
    from wardein.evidence.statement import read
    from wardein.report import CHECK_RESULT

    found = []
    for item in read_claims(options.evidence):
        if isinstance(item, WardeinError):
            raise item
        statement = read(item.payload)
        if statement.predicate_type == CHECK_RESULT:
            report = wire.from_json(statement.predicate, statement.subject)
            found += [(report.check, f) for f in report.findings if options.rule in (f.rule, f.cve)]
    places = sorted({(check, f.location, f.fingerprint) for check, f in found})
    meant = [place for place in places if options.location in ("", place[1])]
    if len(meant) != 1:
        where = "; ".join(location or "(no location)" for _, location, _ in places)[:300]
        mend = f"give --location, one of: {where}" if places else "look at it with: wardein show FILE"
        text = f"has {len(meant)} findings of {options.rule}"
        raise UsageError(text, where=str(options.evidence), mend=mend)
    return {"check": meant[0][0], "fingerprint": meant[0][2]}
