# SPDX-License-Identifier: Apache-2.0
"""``make demo``: one honest release that passes, and three bad ones that are stopped."""
