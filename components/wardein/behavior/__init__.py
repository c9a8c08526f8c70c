# SPDX-License-Identifier: Apache-2.0
"""How a model behaves: suspicions of giskard's scan and attacks of one's own, in processes without the model."""
