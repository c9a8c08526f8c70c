# SPDX-License-Identifier: Apache-2.0
"""Every step as a Kubeflow Pipelines component: ``from wardein.kfp import evaluate_fairness``."""

from wardein.kfp.components import *  # noqa: F403 - the generated module's own __all__ is the list of steps
