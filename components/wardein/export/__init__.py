# SPDX-License-Identifier: Apache-2.0
"""Reports in other tools' formats: SARIF 2.1.0, JUnit XML, CycloneDX, Markdown. Whatever they hold may be hostile."""
