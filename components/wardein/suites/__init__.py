# SPDX-License-Identifier: Apache-2.0
"""Suites of expectations on tables, in the JSON form of Great Expectations 1.x: read, inferred, evaluated."""
