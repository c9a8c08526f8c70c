# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "Istio accepts plain text on one port"
# custom:
#   id: config/mtls-port-exception
#   severity: MEDIUM
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.mtls_port_exception

import data.lib.wardein.k8s
import rego.v1

deny contains result.new(sprintf("Istio accepts plain text on port %v", [port]), setting) if {
	k8s.is_istio("PeerAuthentication")
	some port, setting in input.spec.portLevelMtls
	setting.mode in {"PERMISSIVE", "DISABLE"}
}
