# SPDX-License-Identifier: Apache-2.0
"""Cases of ``fail_open``."""

from __future__ import annotations

from tests.corpus.fail_open.case import Case

CASES: tuple[Case, ...] = ()
