# SPDX-License-Identifier: Apache-2.0
"""The checks: one file, one public function each, heavy imports inside it."""
