# SPDX-License-Identifier: Apache-2.0
"""Passwords, keys and tokens: their forms, the places where pipelines leak them, and reports that hold none of them."""
