# SPDX-License-Identifier: Apache-2.0
"""What the checks of a source folder share: its files, rules, merging of what several tools found, baselines."""
