"""Every rendered manifest is one the API servers of several Kubernetes versions, and the operators, would take."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.deployment.rendered import Manifest, render

pytestmark = pytest.mark.deployment
VERSIONS = ("1.32", "1.34", "1.37")  # native sleep in preStop is beta, then stable, in all of these
SCHEMAS = {
    (schema["apiVersion"], schema["kind"]): schema["schema"]
    for file in sorted((Path(__file__).parent / "schemas").glob("*.yaml"))
    for schema in yaml.safe_load_all(file.read_text(encoding="utf-8"))
}


def is_custom(manifest: Manifest) -> bool:
    """Whether an operator brings the kind: its group has a domain that is not Kubernetes' own."""
    group = manifest["apiVersion"].rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_manifest(manifests: tuple[Manifest, ...], version: str) -> None:
    for manifest in manifests:
        if not is_custom(manifest):
            kubernetes_validate.validate(manifest, version, strict=True)


def test_operators_take_every_custom_resource(manifests: tuple[Manifest, ...]) -> None:
    for manifest in manifests:
        if is_custom(manifest):
            key = (manifest["apiVersion"], manifest["kind"])
            assert key in SCHEMAS, f"{key}: no schema in tests/deployment/schemas"
            jsonschema.validate(manifest["spec"], SCHEMAS[key])


def test_a_field_that_does_not_exist_is_refused() -> None:
    deployment = next(each for each in render("local") if each["kind"] == "Deployment")
    wrong = {**deployment, "spec": {**deployment["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)
    topic = next(each for each in render("local") if each["kind"] == "KafkaTopic")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**topic["spec"], "partition": 2}, SCHEMAS[topic["apiVersion"], "KafkaTopic"])
