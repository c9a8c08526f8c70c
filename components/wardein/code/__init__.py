# SPDX-License-Identifier: Apache-2.0
"""Rules of wardein's own for Python code of machine learning, over scripts and notebooks."""
