# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "an image has the tag latest, or none"
# custom:
#   id: config/image-latest
#   severity: MEDIUM
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.image_latest

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("an image has the tag latest, or none", container) if {
	some [container, _] in k8s.containers
	k8s.without_digest(container)
	not regex.match(`[$]|\{\{`, container.image)
	name := regex.replace(container.image, `^.*/`, "")
	tag(name) in {"", "latest"}
}

tag(name) := "" if not contains(name, ":")

tag(name) := regex.replace(name, `^[^:]*:`, "") if contains(name, ":")
