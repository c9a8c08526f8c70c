# SPDX-License-Identifier: Apache-2.0
"""Evidence: in-toto statements in DSSE envelopes, and the trust root that says whose signature counts."""
