# SPDX-License-Identifier: Apache-2.0
"""Reports in the formats that CI systems show: SARIF 2.1.0, JUnit XML, Markdown. Whatever they hold may be hostile."""
