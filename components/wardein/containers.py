# SPDX-License-Identifier: Apache-2.0
"""The names of wardein's container images: one per family of dependencies, tagged with the version."""

from __future__ import annotations

import os

from wardein import __version__

PREFIX_VARIABLE = "WARDEIN_IMAGE_PREFIX"


def image(family: str) -> str:
    """The image of a family; the part before its name can be overridden when pipelines are compiled."""
    return f"{os.environ.get(PREFIX_VARIABLE, 'wardein')}/{family}:{__version__}"
