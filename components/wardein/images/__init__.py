# SPDX-License-Identifier: Apache-2.0
"""Container images: which one is meant, and a private copy of it whose every byte was verified."""
