# SPDX-License-Identifier: Apache-2.0
"""``wardein assess``: the checks and the gate that a manifest lists, for people without an orchestrator."""
