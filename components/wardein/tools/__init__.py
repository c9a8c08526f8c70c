# SPDX-License-Identifier: Apache-2.0
"""Programs that wardein runs: one hardened way to run them, one adapter per program."""
