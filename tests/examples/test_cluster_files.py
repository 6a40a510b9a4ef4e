"""The files that start a cluster are such as Ray and Kubernetes take, and agree with each other and with the versions.

Ray brings the schema of its own file. KubeRay's are large and not ours to copy: what is used of them stands here, with
every field that is not named refused, as the API server does.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.runtime_env import RuntimeEnv

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "cluster"
LABEL = {"type": "string", "pattern": "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"}
QUANTITY = {"type": "string", "pattern": "^[0-9]+(m|Mi|Gi)?$"}


def only(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "additionalProperties": False,
    }


RESOURCES = only({"cpu": QUANTITY, "memory": QUANTITY})
SECRETS = {"type": "array", "items": only({"secretRef": only({"name": LABEL}, optional={"type": "boolean"})})}
PORT = only({"containerPort": {"type": "integer", "minimum": 1, "maximum": 65535}, "name": LABEL | {"maxLength": 15}})
CONTAINER = only(
    {"name": LABEL, "image": {"type": "string"}, "resources": only({"requests": RESOURCES, "limits": RESOURCES})},
    envFrom=SECRETS,
    ports={"type": "array", "items": PORT},
)
GROUP = {
    "rayStartParams": {"type": "object", "additionalProperties": {"type": "string"}},
    "template": only({"spec": only({"containers": {"type": "array", "items": CONTAINER, "minItems": 1}})}),
}
COUNT = {"type": "integer", "minimum": 0}
WORKERS = only(GROUP | {"groupName": LABEL, "replicas": COUNT, "minReplicas": COUNT, "maxReplicas": COUNT})
CLUSTER = only(
    {
        "rayVersion": {"type": "string"},
        "authOptions": only({"mode": {"const": "token"}}),
        "headGroupSpec": only(GROUP),
        "workerGroupSpecs": {"type": "array", "items": WORKERS, "minItems": 1},
    }
)
JOB = only(
    {"entrypoint": {"type": "string"}, "rayClusterSpec": CLUSTER},
    backoffLimit=COUNT,
    shutdownAfterJobFinishes={"type": "boolean"},
    ttlSecondsAfterFinished=COUNT,
)


def manifest(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    names = only({"name": LABEL})
    return only({"apiVersion": {"const": "ray.io/v1"}, "kind": {"const": kind}, "metadata": names, "spec": spec})


def loaded(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def test_ray_takes_the_clusters_file() -> None:
    config = prepare_config(loaded("ray-cluster.yaml"))
    validate_config(config)
    worker = config["available_node_types"]["worker"]
    assert worker["min_workers"] == worker["max_workers"] == config["max_workers"], "a run is planned once"
    with pytest.raises(jsonschema.ValidationError):
        validate_config(config | {"worker_type": "worker"})


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("kuberay-cluster.yaml", manifest("RayCluster", CLUSTER)),
        ("kuberay-job.yaml", manifest("RayJob", JOB)),
    ],
)
def test_kubernetes_takes_the_manifests(name: str, schema: dict[str, Any]) -> None:
    document = loaded(name)
    jsonschema.validate(document, schema)
    spoilt = copy.deepcopy(document)
    cluster = spoilt["spec"].get("rayClusterSpec", spoilt["spec"])
    cluster["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = 16
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spoilt, schema)


def test_job_and_cluster_are_the_same_and_have_our_version_of_ray() -> None:
    cluster = loaded("kuberay-cluster.yaml")["spec"]
    assert loaded("kuberay-job.yaml")["spec"]["rayClusterSpec"] == cluster
    version = re.search(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert version is not None
    assert cluster["rayVersion"] == version[1]
    for group in cluster["workerGroupSpecs"]:
        assert group["replicas"] == group["minReplicas"] == group["maxReplicas"], "a run is planned once"


def test_ray_takes_the_runtime_environment() -> None:
    options = RuntimeEnv(**loaded("runtime-env.yaml"))["uv"]
    named = re.findall(r"\$\{RAY_RUNTIME_ENV_CREATE_WORKING_DIR\}/(\S+)", str(options).replace("'", " "))
    assert sorted(named) == ["constraints.txt", "pyproject.toml"]
