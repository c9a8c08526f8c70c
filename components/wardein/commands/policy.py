# SPDX-License-Identifier: Apache-2.0
"""Policies for people: explained, tested, compared, and held against the frameworks that the field uses."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein.errors import UsageError, printable

if TYPE_CHECKING:
    from wardein.release.rehearsal import Outcome

EPILOG = """wardein policy explain DIR      what a release needs, in words
wardein policy test DIR         run the cases in DIR/policy-tests.yaml through the gate's own verification
wardein policy diff OLD NEW     what gets looser, what tighter
wardein policy controls [DIR]   which controls of OWASP, NIST SSDF, SLSA and MITRE ATLAS are covered, and which are not

Exit codes: 0 fine; 1 a case does not hold, or something gets looser; 2 misuse, or a policy that cannot be read."""
_DIR = "a policy folder: one that holds policy.yaml"


def run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Do what the first word says."""
    parser.epilog = EPILOG
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    explain_it = verbs.add_parser("explain", help="what a release needs, in words")
    test_it = verbs.add_parser("test", help="run a policy's cases through the gate's own verification")
    diff_it = verbs.add_parser("diff", help="what gets looser and what tighter from one policy to another")
    controls_it = verbs.add_parser("controls", help="which controls of known frameworks are covered, and which are not")
    for verb in (explain_it, test_it):
        verb.add_argument("folder", type=Path, metavar="DIR", help=_DIR)
    controls_it.add_argument("folder", type=Path, metavar="DIR", nargs="?", help=f"{_DIR} (default: all that there is)")
    diff_it.add_argument("old", type=Path, metavar="OLD", help=_DIR)
    diff_it.add_argument("new", type=Path, metavar="NEW", help=_DIR)
    for verb in (explain_it, diff_it, controls_it):
        verb.add_argument("--environment", default="", help="only this one (default: what holds in all, or each)")
        verb.add_argument("--tier", choices=("low", "standard", "high"), default="", help="only this one")
    test_it.add_argument("--cases", type=Path, metavar="FILE", help="another table (default: DIR/policy-tests.yaml)")
    controls_it.add_argument("--framework", default="", help="only this one, by its identifier")
    controls_it.add_argument("--markdown", action="store_true", help="as a page")
    for verb in (explain_it, test_it, diff_it, controls_it):
        verb.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(argv)
    verbs_by_name = {"explain": explain, "test": rehearse, "diff": diff, "controls": controls}
    return verbs_by_name[options.verb](options)


def explain(options: argparse.Namespace) -> int:
    """Print what a release needs, and what differs in other tiers and environments.

    Raises:
        WardeinError: If the policy cannot be read, or does not know the environment.
    """
    from wardein.policy import explain as words
    from wardein.policy.folders import rego_names
    from wardein.policy.load import load, load_all

    policy = load(options.folder, options.environment, options.tier)
    rules, policies = rego_names(options.folder), load_all(options.folder)
    others = words.differences(policy, policies)
    if options.json:
        listed = [
            {"environment": place, "tier": tier, "changes": words.changes_json(found)}
            for (place, tier), found in others.items()
        ]
        return _print_json(words.to_json(policy, rules) | {"differences": listed})
    lines = [*words.explained(policy, rules)]
    for (place, tier), found in others.items():
        where = f"in {place}" if place != policy.environment else f"for the tier {tier}"
        lines += ["", f"What differs {where}: {words.counted(found)}"]
        lines += [f"  {change.direction:<8}{change.text}" for change in found]
    print("\n".join(map(printable, lines)))
    return 0


def rehearse(options: argparse.Namespace) -> int:
    """Run a policy's cases; 1 if one does not come out as it says.

    Raises:
        WardeinError: If the policy or its cases cannot be read.
    """
    from wardein.cli import EXIT_FAILED, EXIT_PASSED
    from wardein.policy.cases import CASES, read_cases
    from wardein.release.rehearsal import rehearse as outcomes

    found = list(outcomes(options.folder, read_cases(options.cases or options.folder / CASES)))
    wrong = [outcome for outcome in found if not outcome.is_as_expected]
    if options.json:
        cases = [
            {"name": o.case.name, "holds": o.is_as_expected, "expected": sorted(o.case.denied_by)}
            | {"denied": [{"reason": reason, "message": message} for reason, message in sorted(o.reasons.items())]}
            for o in found
        ]
        _print_json({"cases": len(found), "wrong": len(wrong), "outcomes": cases})
    else:
        lines = []
        for outcome in found:
            lines.append(f"{'holds' if outcome.is_as_expected else 'WRONG'}  {outcome.case.name}")
            lines += [] if outcome.is_as_expected else [f"       {line}" for line in _wrong(outcome)]
        print("\n".join(map(printable, [*lines, f"{len(found) - len(wrong)} of {len(found)} cases hold"])))
    return EXIT_FAILED if wrong else EXIT_PASSED


def diff(options: argparse.Namespace) -> int:
    """Print what gets looser, tighter or other; 1 if anything gets looser.

    Raises:
        WardeinError: If a policy cannot be read, or neither knows the environment.
    """
    from wardein.cli import EXIT_FAILED, EXIT_PASSED
    from wardein.policy.explain import changes_json
    from wardein.policy.folders import grouped, in_every_place

    found = in_every_place(options.old, options.new, options.environment, options.tier)
    if options.json:
        listed = [{"environment": e, "tier": t, "changes": changes_json(c)} for (e, t), c in found.items()]
        _print_json({"changes": listed})
    else:
        print("\n".join(map(printable, grouped(found))) or "nothing that is demanded changes")
    return EXIT_FAILED if any(c.direction == "looser" for cs in found.values() for c in cs) else EXIT_PASSED


def controls(options: argparse.Namespace) -> int:
    """Print which controls a policy covers, in part or not at all.

    Raises:
        WardeinError: If the policy cannot be read.
        UsageError: If there is no such framework, or an environment or a tier is named without a policy.
    """
    from wardein.policy import controls as known
    from wardein.policy.folders import rego_names
    from wardein.policy.load import load
    from wardein.policy.page import page, plain, to_json

    listed = [f for f in known.frameworks() if options.framework in ("", f.id)]
    if not listed:
        names = ", ".join(framework.id for framework in known.frameworks())
        raise UsageError(f"there is no framework {options.framework!r}", where="--framework", mend=f"one of: {names}")
    if options.folder is None and (options.environment or options.tier):
        raise UsageError("says nothing without a policy", where="--environment", mend="name its folder")
    policy = load(options.folder, options.environment, options.tier) if options.folder else None
    has_rego = policy is not None and bool(rego_names(options.folder))
    found = {f: [known.coverage(control, policy, has_rego=has_rego) for control in f.controls] for f in listed}
    if options.json:
        return _print_json(to_json(found, policy))
    print(page(found, policy) if options.markdown else "\n".join(map(printable, plain(found, policy))))
    return 0


def _wrong(outcome: Outcome) -> list[str]:
    missed = sorted(outcome.case.denied_by - set(outcome.reasons))
    lines = [f"was to be denied by {reason}, and was not" for reason in missed]
    surplus = sorted(set(outcome.reasons) - outcome.case.denied_by)
    return lines + [f"was denied by {reason}: {outcome.reasons[reason]}" for reason in surplus]


def _print_json(document: Mapping[str, Any]) -> int:
    print(json.dumps(document, indent=2, ensure_ascii=False))
    return 0
