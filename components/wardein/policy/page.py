# SPDX-License-Identifier: Apache-2.0
"""The report on controls: as text, as a page, and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wardein.policy.controls import STANDINGS, Coverage, Framework
from wardein.policy.policy import Policy

Found = Mapping[Framework, Sequence[Coverage]]
_ABOUT = (
    "What is covered is the release of a model, as far as the gate sees it: nothing here says that a house complies "
    "with a framework. Read what is not covered first."
)


def plain(found: Found, policy: Policy | None) -> Iterator[str]:
    """As text: for each framework first what is not covered."""
    yield f"{_of(policy)}. {_ABOUT}"
    for framework, listed in found.items():
        yield from ("", f"{framework.id}: {framework.title}, {framework.edition}: {_counted(listed)}")
        width = max(len(coverage.control.id) for coverage in listed)
        for standing in reversed(STANDINGS):
            for coverage in (c for c in listed if c.standing == standing):
                yield f"  {standing:<11}  {coverage.control.id:<{width}}  {coverage.control.title}"
                yield from (f"  {'':<11}  {'':<{width}}  {line}" for line in _details(coverage))


def page(found: Found, policy: Policy | None) -> str:
    """As Markdown."""
    lines = ["# Controls", "", f"{_of(policy)}. {_ABOUT}"]
    for framework, listed in found.items():
        lines += [
            "",
            f"## {framework.title}",
            "",
            f"Edition {framework.edition}; {framework.scope}. {_counted(listed)}.",
        ]
        lines += ["", "| control | | by | not covered |", "|---|---|---|---|"]
        for coverage in listed:
            control, by = coverage.control, " ".join(f"`{name}`" for name in coverage.by)
            lines.append(f"| {control.id} {control.title} | {coverage.standing} | {by} | {coverage.gap} |")
    return "\n".join(lines)


def to_json(found: Found, policy: Policy | None) -> dict[str, Any]:
    """For programs."""
    frameworks = [
        {
            "id": framework.id,
            "title": framework.title,
            "edition": framework.edition,
            "scope": framework.scope,
            "controls": [
                {"id": c.control.id, "title": c.control.title, "standing": c.standing, "by": list(c.by), "gap": c.gap}
                for c in listed
            ],
        }
        for framework, listed in found.items()
    ]
    judged = {"name": policy.name, "environment": policy.environment, "tier": policy.tier} if policy else None
    return {"policy": judged, "frameworks": frameworks}


def _of(policy: Policy | None) -> str:
    if policy is None:
        return "Everything that wardein has, whatever a policy makes of it (name its folder to see)"
    place = f" in {policy.environment}" if policy.environment else ""
    return f"The policy {policy.name}{place}, for the tier {policy.tier}"


def _details(coverage: Coverage) -> Iterator[str]:
    if coverage.by:
        yield f"by {', '.join(coverage.by)}"
    if coverage.gap:
        yield f"{'but ' if coverage.by else ''}{coverage.gap}"


def _counted(listed: Sequence[Coverage]) -> str:
    numbers = [(sum(c.standing == standing for c in listed), standing) for standing in STANDINGS]
    return ", ".join(f"{number} {standing}" for number, standing in numbers)
