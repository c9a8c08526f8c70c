# SPDX-License-Identifier: Apache-2.0
"""What is done with reports: sign, decide, promote."""
