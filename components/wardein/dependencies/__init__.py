# SPDX-License-Identifier: Apache-2.0
"""Dependencies: how files declare them, at which versions, and what is known against those."""
