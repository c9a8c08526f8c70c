# SPDX-License-Identifier: Apache-2.0
"""The commands that are not steps: ``run(parser, argv)`` adds its options and returns the exit code."""
