# SPDX-License-Identifier: Apache-2.0
"""Evasion attacks on classifiers of tables: what may move, white-box and decision-based attacks."""
