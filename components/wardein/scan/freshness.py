# SPDX-License-Identifier: Apache-2.0
"""How old what is known of vulnerabilities may be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from wardein.errors import WardeinError

CLOCK_SKEW = timedelta(hours=1)


def check_age(updated: datetime, max_age_days: float, where: str, what: str, how_to_get_one: str) -> None:
    """Refuse a database or advisories that are too old, or of a time that has not come.

    Args:
        updated: When they were collected.
        max_age_days: How many days old they may be; a number that is none accepts nothing.
        where: The parameter that named them.
        what: What they are: ``database`` or ``advisories``.
        how_to_get_one: What to do if they are too old.

    Raises:
        WardeinError: If they are.
    """
    age = datetime.now(UTC) - updated
    if not age / timedelta(days=1) <= max_age_days:
        what_is_wrong = f"is of {updated:%Y-%m-%d}, older than {max_age_days:g} days"
        raise WardeinError(what_is_wrong, where=where, mend=how_to_get_one)
    if age < -CLOCK_SKEW:
        mend = f"set this machine's clock, or get the {what} again"
        raise WardeinError(
            f"says that it is of {updated:%Y-%m-%d %H:%M} UTC, which is in the future", where=where, mend=mend
        )
