# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a NetworkPolicy allows everything"
# custom:
#   id: config/network-policy-allow-all
#   severity: HIGH
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.network_policy_allow_all

import data.lib.wardein.k8s
import rego.v1

deny contains result.new(sprintf("a NetworkPolicy allows everything: %s", [direction]), input.spec) if {
	input.kind == "NetworkPolicy"
	some [direction, peers] in [["ingress", "from"], ["egress", "to"]]
	some rule in k8s.list(input.spec, direction)
	is_object(rule)
	count(k8s.list(rule, "ports")) == 0
	everybody(k8s.list(rule, peers))
}

everybody(peers) if count(peers) == 0

everybody(peers) if {
	some peer in peers
	object.get(peer, ["ipBlock", "cidr"], "") in {"0.0.0.0/0", "::/0"}
}
