# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a model or job of SageMaker is not isolated from the network"
# custom:
#   id: config/sagemaker-isolation
#   severity: MEDIUM
#   input:
#     selector:
#     - type: terraform-raw
package user.wardein.sagemaker_isolation

import data.lib.wardein.terraform
import rego.v1

deny contains result.new("a model of SageMaker is not isolated from the network", block) if {
	some block in terraform.resources
	block.type == "aws_sagemaker_model"
	not block.attributes.enable_network_isolation.value == true
}
