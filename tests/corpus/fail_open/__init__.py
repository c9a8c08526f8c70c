# SPDX-License-Identifier: Apache-2.0
"""What makes scanners say "clean" about what they never looked at, one case each, with the verdict that is right.

``tests/checks/test_fail_open.py`` holds wardein to it; ``tools/fail_open.py`` writes docs/fail-open.md, which shows
beside each verdict what the bare tool says.
"""
