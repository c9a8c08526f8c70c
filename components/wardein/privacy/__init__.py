# SPDX-License-Identifier: Apache-2.0
"""Attacks on what a model gives away about its training rows."""
