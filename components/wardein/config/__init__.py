# SPDX-License-Identifier: Apache-2.0
"""Reading configuration (manifests, templates, Dockerfiles, workflows, pipelines), and wardein's own rules for it."""
