# SPDX-License-Identifier: Apache-2.0
"""Models: formats, safe loading, and the child process that touches pickles."""
