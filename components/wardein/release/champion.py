# SPDX-License-Identifier: Apache-2.0
"""Whether a model was compared with the one in whose place it is to be put."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wardein.release.audit import Entry
from wardein.release.terms import tell
from wardein.release.verification import Decision
from wardein.report import Finding, Severity


def other_champions(decision: Decision, entries: Iterable[Entry], model: str) -> Iterator[Finding]:
    """The reasons against a promotion whose evidence rests on a champion that is not the model promoted last here.

    A check can only be shown a copy of the log, whose end may be cut so that an earlier, weaker champion is its last.
    A champion that the policy lists is the policy's choice.

    Args:
        decision: What counted of the evidence.
        entries: The audit log of the place.
        model: The digest of what is to be served: promoted again, it is compared with the one before it.
    """
    records = [entry.record for entry in entries]
    before = [said.get("model") for said in records if said.get("action") == "promote" and said.get("model") != model]
    for case in decision.cases:
        used = [item.digest for item in case.report.inputs if item.name == "champion"]
        if "champion" in case.policy.inputs or all([digest] == before[-1:] for digest in used):
            continue
        stands = f"sha256:{before[-1]} was promoted last here" if before else "nothing was promoted here before"
        why = f"{case.check} compared it with sha256:{used[0]}, and {stands}"
        if decision.break_glass is not None:
            yield tell(
                "promote/other-champion",
                case.check,
                f"lifted by the break-glass of {decision.break_glass.identity}: {why}",
            )
        else:
            mend = "compare it with that model, or list the champion's sha256 in the policy"
            yield Finding("promote/other-champion", Severity.CRITICAL, f"{why}; {mend}", case.check)
