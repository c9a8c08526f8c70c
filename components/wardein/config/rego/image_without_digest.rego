# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "an image is named by a tag, not by its digest"
# custom:
#   id: config/image-without-digest
#   severity: MEDIUM
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.image_without_digest

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("an image is named by a tag, not by its digest", container) if {
	some [container, _] in k8s.containers
	k8s.without_digest(container)
}
