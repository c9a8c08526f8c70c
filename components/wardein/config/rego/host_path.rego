# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a pod mounts a folder of its node"
# custom:
#   id: config/host-path
#   severity: HIGH
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.host_path

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("a pod mounts a folder of its node", volume) if {
	some pod in k8s.pods
	some volume in k8s.list(pod, "volumes")
	object.get(volume, "hostPath", null) != null
}
