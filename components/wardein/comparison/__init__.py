# SPDX-License-Identifier: Apache-2.0
"""A model set against the one in use: on the same rows, or on the outcomes of both in use."""
