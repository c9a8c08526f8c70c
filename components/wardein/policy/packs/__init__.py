# SPDX-License-Identifier: Apache-2.0
"""The policy packs to start from: one folder each."""

from pathlib import Path

PACKS = Path(__file__).parent
NAMES = tuple(sorted(path.parent.name for path in PACKS.glob("*/policy.yaml")))
