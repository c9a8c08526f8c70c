# SPDX-License-Identifier: Apache-2.0
"""Train a classifier, check it from all sides, and promote it only if the gate lets it through.

Upload ``train_and_gate.yaml`` in the Kubeflow UI, or run it here without Docker: ``make demo`` does.
"""

from kfp import dsl

from wardein import kfp as wardein
from wardein.containers import image as image_of


@dsl.component(base_image=image_of("evaluate"), install_kfp_package=False)
def train(data: dsl.Input[dsl.Dataset], label: str, model: dsl.Output[dsl.Model]):
    """Train a logistic regression on all columns but the label; put your own training here.

    Args:
        data: Training rows as CSV.
        label: The column to predict.

    Returns:
        model: The fitted scikit-learn Pipeline, as skops.
    """
    import pandas as pd
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table = pd.read_csv(data.path)
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(table.drop(columns=label), table[label])
    skops.io.dump(estimator, model.path)


def source(uri: str, kind: type = dsl.Artifact) -> dsl.Artifact:
    """What lies at a URI, as an artifact that is read anew in every run."""
    return dsl.importer(artifact_uri=uri, artifact_class=kind, reimport=True).output


def fresh(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Yesterday's answer is no answer: Kubeflow's cache knows names, not contents."""
    return task.set_caching_options(False)


@dsl.pipeline(name="train-and-gate")
def pipeline(
    train_data: str,
    test_data: str,
    label: str,
    sensitive: list,
    bins: dict,
    image: str,
    database: str,
    trust: str,
    policy: str,
    target: str,
    train_key: str,
    check_key: str,
    gate_key: str,
    run_id: str,
    tier: str = "default",
    max_demographic_parity_difference: float = 0.10,
    max_equalized_odds_difference: float = 0.10,
):
    """Train a classifier, check it from all sides, and promote it only if the gate lets it through.

    Args:
        train_data: URI of the training rows (CSV with a header).
        test_data: URI of rows that the model does not see in training.
        label: The column to predict.
        sensitive: The columns that divide people into groups, for example ["sex", "age"].
        bins: Cut points for numeric sensitive columns, for example {"age": "50"}; {} for none.
        image: The image that will serve the model: a registry reference pinned by digest.
        database: URI of the folder with the vulnerability database.
        trust: URI of the trust root; see docs/trust.md.
        policy: URI of the policy folder that the trust root pins.
        target: The folder that models are served from.
        train_key: URI of the key that signs the model: a reference, never key material.
        check_key: URI of the key that signs the evidence of checks.
        gate_key: URI of the key that signs the decision.
        run_id: Any text that no other run has; evidence of another run does not count.
        tier: The risk tier to judge by: default, low, standard or high. A lower one than the policy's own takes a
            signed approval.
        max_demographic_parity_difference: The largest tolerated difference of selection rates. Tighten it if you
            like; the gate denies a run that loosens what the policy demands.
        max_equalized_odds_difference: The largest tolerated difference of error rates; likewise.
    """
    training, test = source(train_data, dsl.Dataset), source(test_data, dsl.Dataset)
    rules, keys, advisories = source(policy), source(trust), source(database)
    said = {"key": check_key, "run_id": run_id}

    trained = fresh(train(data=training, label=label))
    model = trained.outputs["model"]
    signed = fresh(wardein.sign_artifact(artifact=model, signer=train_key, run_id=run_id))
    checks = {
        "validate_data": wardein.validate_data(data=test, reference=training, **said),
        "scan_model": wardein.scan_model(model=model, **said),
        "smoke_test": wardein.smoke_test(model=model, data=test, **said),
        "evaluate_performance": wardein.evaluate_performance(model=model, data=test, label=label, **said),
        "evaluate_robustness": wardein.evaluate_robustness(model=model, data=test, label=label, **said),
        "evaluate_fairness": wardein.evaluate_fairness(
            model=model,
            data=test,
            label=label,
            sensitive=sensitive,
            bins=bins,
            bound="best",
            max_demographic_parity_difference=max_demographic_parity_difference,
            max_equalized_odds_difference=max_equalized_odds_difference,
            **said,
        ),
        "evaluate_privacy": wardein.evaluate_privacy(
            model=model, data=test, label=label, reference=training, sensitive=sensitive, **said
        ),
        "scan_image": wardein.scan_image(image=image, database=advisories, **said),
        "verify_artifact": wardein.verify_artifact(
            artifact=model, signature=signed.outputs["signature"], trust=keys, **said
        ),
    }
    evidence = {name: fresh(task).outputs["report"] for name, task in checks.items()}
    release = {
        "model": model,
        "data": test,
        "reference": training,
        "database": advisories,
        "image": image,
        "trust": keys,
        "policy": rules,
        "tier": tier,
        "nonce": run_id,
    }
    decision = fresh(wardein.gate(**release, **evidence, key=gate_key, run_id=run_id))
    fresh(
        wardein.promote(
            **release, **evidence, gate=decision.outputs["report"], target=target, key=gate_key, run_id=run_id
        )
    )
