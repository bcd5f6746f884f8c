"""The Job that trains on a GPU: a template outside of the overlays, held to what they are held to."""

from __future__ import annotations

import kubernetes_validate
import pytest
import typer

from services.cli.app import application
from services.cli.doctor import known_variables
from tests.deployment import test_manifest_pods as policy
from tests.deployment.rendered import Manifest, of_kind, pods, render, settings_of
from tests.deployment.test_manifest_schemas import VERSIONS

pytestmark = pytest.mark.deployment


@pytest.fixture(scope="module")
def job() -> tuple[Manifest, ...]:
    return render("../training")


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_it(job: tuple[Manifest, ...], version: str) -> None:
    for manifest in job:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_it_is_restricted_pinned_and_bounded_like_every_pod(job: tuple[Manifest, ...]) -> None:
    policy.test_every_pod_meets_the_restricted_standard(job)
    policy.test_every_image_is_pinned(job)
    policy.test_no_pod_gets_a_token_of_the_api_server(job)
    policy.test_every_container_asks_for_what_it_needs(job)


def test_it_asks_for_one_gpu_and_may_stand_where_gpus_are(job: tuple[Manifest, ...]) -> None:
    (pod,) = pods(job)
    (container,) = pod.containers

    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod.spec["tolerations"]
    assert set(settings_of(pod, job)) - {"HF_HUB_OFFLINE"} <= known_variables()


def test_its_command_is_one_the_code_takes_and_its_files_are_on_the_volume(job: tuple[Manifest, ...]) -> None:
    (pod,) = pods(job)
    (container,) = pod.containers
    train, nlu, *options = container["args"]
    group = typer.main.get_command(application(train)).commands[train]  # type: ignore[attr-defined]

    given = group.commands[nlu].make_context("nlu", list(options)).params

    assert given["device"] == "cuda"
    (mount,) = (each for each in container["volumeMounts"] if each["name"] == "training")
    assert all(given[name].is_relative_to(mount["mountPath"]) for name in ("data", "out_folder"))
    (claim,) = of_kind(job, "PersistentVolumeClaim")
    assert {"name": "training", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}} in pod.spec[
        "volumes"
    ]
