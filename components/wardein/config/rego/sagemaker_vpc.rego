# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a model or job of SageMaker runs outside of any VPC"
# custom:
#   id: config/sagemaker-vpc
#   severity: HIGH
#   input:
#     selector:
#     - type: terraform-raw
package user.wardein.sagemaker_vpc

import data.lib.wardein.terraform
import rego.v1

# A model's VPC is a nested block, which trivy does not show to rules.
deny contains result.new("a notebook of SageMaker runs outside of any VPC", block) if {
	some block in terraform.resources
	block.type == "aws_sagemaker_notebook_instance"
	not block.attributes.subnet_id
}
