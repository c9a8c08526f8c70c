# SPDX-License-Identifier: Apache-2.0
"""Reports of other people's tools: one module per format, and what they share.

A report is hostile until proven otherwise: it is read strictly, must agree with the subject that it is said to be
about, and nothing of it is taken over but what a finding needs.
"""
