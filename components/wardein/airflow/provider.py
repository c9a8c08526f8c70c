# SPDX-License-Identifier: Apache-2.0
"""What ``airflow providers list`` shows."""

from __future__ import annotations

from typing import Any

from wardein import __version__


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata, in Airflow's own form."""
    return {
        "package-name": "wardein",
        "name": "wardein",
        "description": "Checks for machine-learning models, and a gate that believes only signed evidence.",
        "versions": [__version__],
        "integrations": [{"integration-name": "wardein", "external-doc-url": "", "tags": ["software"]}],
        "operators": [{"integration-name": "wardein", "python-modules": ["wardein.airflow.operators"]}],
    }
