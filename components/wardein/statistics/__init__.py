# SPDX-License-Identifier: Apache-2.0
"""What the evaluations count: predictions and labels, groups, rates, and their intervals."""
