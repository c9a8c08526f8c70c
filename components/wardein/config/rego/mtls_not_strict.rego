# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "Istio accepts plain text"
# custom:
#   id: config/mtls-not-strict
#   severity: HIGH
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.mtls_not_strict

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("Istio accepts plain text", input.spec) if {
	k8s.is_istio("PeerAuthentication")
	input.spec.mtls.mode in {"PERMISSIVE", "DISABLE"}
}
