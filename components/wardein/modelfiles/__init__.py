# SPDX-License-Identifier: Apache-2.0
"""Model files, read and never loaded: what each of them is, what it could do, and what was not examined."""
