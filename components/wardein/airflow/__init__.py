# SPDX-License-Identifier: Apache-2.0
"""Every step as an Airflow operator: ``from wardein.airflow import EvaluateFairnessOperator``."""

from wardein.airflow import operators
from wardein.airflow.base import argv
from wardein.airflow.operators import *  # noqa: F403 - the generated module's own __all__ is the list of operators

__all__ = ["argv", *operators.__all__]
