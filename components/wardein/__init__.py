# SPDX-License-Identifier: Apache-2.0
"""Prebuilt, evidence-producing checks and a release gate for machine-learning pipelines."""

__version__ = "0.1.0"
