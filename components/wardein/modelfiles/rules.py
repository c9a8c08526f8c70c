# SPDX-License-Identifier: Apache-2.0
"""The rules on model files. Each room has its own; here they are one list."""

from __future__ import annotations

from wardein.modelfiles.any_format import RULES as COMMON
from wardein.modelfiles.archives.rules import RULES as ARCHIVES
from wardein.modelfiles.folders.rules import RULES as FOLDERS
from wardein.modelfiles.graphs.rules import RULES as GRAPHS
from wardein.modelfiles.native.rules import RULES as NATIVE
from wardein.modelfiles.pickles.rules import RULES as PICKLES

RULES = (*COMMON, *PICKLES, *ARCHIVES, *GRAPHS, *NATIVE, *FOLDERS)
