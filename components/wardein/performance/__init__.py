# SPDX-License-Identifier: Apache-2.0
"""What evaluate_performance measures: numbers, weak slices, rows known from training, rows that a claim takes."""
