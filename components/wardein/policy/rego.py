# SPDX-License-Identifier: Apache-2.0
"""Placeholder until the Rego colleague overwrites this file."""


def files(folder):
    return []
