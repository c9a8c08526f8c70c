# SPDX-License-Identifier: Apache-2.0
"""The policy: what is required of a release, as data. Nothing in it can switch a verification step off."""
