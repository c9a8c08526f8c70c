# SPDX-License-Identifier: Apache-2.0
"""Rules for SageMaker: resources of CloudFormation, and requests as the AWS command line and boto take them."""

from __future__ import annotations

from collections.abc import Iterator

from wardein.config.hits import Hit, is_secret
from wardein.config.nodes import Node

_PREFIX = "AWS::SageMaker::"
# Which keys a request has that no other request has together.
_REQUESTS = {
    "EndpointConfig": ("EndpointConfigName", "ProductionVariants"),
    "TrainingJob": ("TrainingJobName", "AlgorithmSpecification"),
    "ProcessingJob": ("ProcessingJobName", "AppSpecification"),
    "TransformJob": ("TransformJobName", "TransformInput"),
    "NotebookInstance": ("NotebookInstanceName", "InstanceType"),
    "Model": ("ModelName", "ExecutionRoleArn"),
}


def request(node: Node) -> str:
    """Which request of SageMaker's interface a JSON document is, if any."""
    return next((kind for kind, keys in _REQUESTS.items() if all(node[key].exists for key in keys)), "")


def is_template(node: Node) -> bool:
    """Whether a document is a template of CloudFormation."""
    types = [resource["Type"].text for _, resource in node["Resources"].items()]
    return node["AWSTemplateFormatVersion"].exists or any(t.startswith(("AWS::", "Alexa::", "Custom::")) for t in types)


def template_hits(template: Node) -> Iterator[Hit]:
    """What the resources of a template break."""
    for name, resource in template["Resources"].items():
        kind = resource["Type"].text
        if kind.startswith(_PREFIX):
            yield from request_hits(kind.removeprefix(_PREFIX), resource["Properties"], resource, name)
    for name, parameter in template["Parameters"].items():
        if is_secret(name, parameter["Default"].text):
            yield Hit(
                "config/secret-in-env", parameter, f"{name[:80]} (the value is not shown)", text=f"default {name}"
            )


def request_hits(kind: str, asked: Node, where: Node, name: str = "") -> Iterator[Hit]:
    """What one resource or request breaks."""
    told = name[:80] or kind
    for rule in _broken(kind, asked):
        yield Hit(rule, where, told, text=f"{told} {rule}")
    for container in [asked, asked["PrimaryContainer"], *asked["Containers"].each()]:
        for variable, value in container["Environment"].items():
            if is_secret(variable, value.text):
                told = f"{variable[:80]} (the value is not shown)"
                yield Hit("config/secret-in-env", value, told, text=f"env {variable}")


def _broken(kind: str, asked: Node) -> Iterator[str]:
    network = asked["NetworkConfig"] if kind == "ProcessingJob" else asked
    keys = {
        "EndpointConfig": asked["KmsKeyId"],
        "NotebookInstance": asked["KmsKeyId"],
        "TrainingJob": asked.at("ResourceConfig", "VolumeKmsKeyId"),
        "ProcessingJob": asked.at("ProcessingResources", "ClusterConfig", "VolumeKmsKeyId"),
        "TransformJob": asked.at("TransformResources", "VolumeKmsKeyId"),
        "Domain": asked["KmsKeyId"],
    }
    if kind in keys and not keys[kind].exists:
        yield "config/sagemaker-kms"
    if kind in ("Model", "TrainingJob", "ProcessingJob"):
        if not network["VpcConfig"].exists:
            yield "config/sagemaker-vpc"
        if not network["EnableNetworkIsolation"].is_true:
            yield "config/sagemaker-isolation"
    if kind in ("TrainingJob", "ProcessingJob") and not network["EnableInterContainerTrafficEncryption"].is_true:
        yield "config/sagemaker-traffic"
    if kind == "Domain" and asked["AppNetworkAccessType"].text != "VpcOnly":
        yield "config/sagemaker-internet"
    if kind == "NotebookInstance":
        wanted = {
            "config/sagemaker-vpc": asked["SubnetId"].exists,
            "config/sagemaker-internet": asked["DirectInternetAccess"].text == "Disabled",
            "config/sagemaker-root": asked["RootAccess"].text == "Disabled",
        }
        yield from (rule for rule, holds in wanted.items() if not holds)
