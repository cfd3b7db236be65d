"""Plays on a Ray cluster of two nodes on this machine, and what is said where there is no Ray."""

from __future__ import annotations

import importlib
import importlib.util
import time
from typing import TYPE_CHECKING, Any

import pytest

from headgate.adapters.ray import RayFarm
from headgate.releases.decide.simulate import script_of
from headgate.releases.errors import NoCluster
from headgate.releases.model.plan import Plan
from headgate.releases.model.simulation import World
from headgate.releases.service.simulating import LocalFarm, simulate

if TYPE_CHECKING:
    from collections.abc import Iterator

HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray, an optional extra, is not installed: pip install 'headgate[ray]'")

PLAN = Plan.model_validate(
    {
        "name": "played",
        "model": {"name": "m", "upstream": {"url": "http://127.0.0.1:8000/v1", "model": "m"}},
        "end_state": "api_limited",
        "staging_is_for": ["misuse"],
        "hazards": {"harm": {"severity": "high", "limit": {"traffic": 0.05}}},
        "stages": [
            {
                "name": "staff",
                "who": {"cohort": "staff", "seats": 20},
                "what": {"surfaces": ["api.chat"]},
                "how_much": {"requests": "30/min", "expected_use": 10},
                "watch": {"sample": "all", "reviewers": 9},
                "leave": [{"kind": "soak", "active_days": 2}, {"kind": "rate", "hazard": "harm", "below": 0.05, "alpha": 0.05}],
            }
        ],
    }
)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # else Ray leaves the loopback address
    monkeypatch.setenv("RAY_agent_register_timeout_ms", "100000")  # a busy machine is no failure
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray, utils = importlib.import_module("ray"), importlib.import_module("ray.cluster_utils")
    here = {"num_cpus": 1, "include_dashboard": False, "node_ip_address": "127.0.0.1"}
    nodes: Any = utils.Cluster(initialize_head=True, head_node_args=here)
    nodes.add_node(num_cpus=1)
    try:
        yield nodes.address
    finally:
        ray.shutdown()
        nodes.shutdown()


@needs_ray
@pytest.mark.slow
@pytest.mark.timeout(300)  # two nodes take a minute to start on a busy machine
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_plays_on_a_cluster_of_two_nodes_come_to_the_same_numbers(cluster: str) -> None:
    ray = importlib.import_module("ray")
    farm = RayFarm(cluster)
    assert farm.cores == 2
    script = script_of(PLAN, "sha256:0", World({"harm": 0.01}, after_days=10), seed=3)
    told: list[int] = []
    assert simulate(script, 40, farm, told=told.append) == simulate(script, 40, LocalFarm(1), told=told.append)
    assert sum(told) == 80

    def node(_: int) -> str:
        time.sleep(0.5)
        return ray.get_runtime_context().get_node_id()

    assert len({where for _, where in farm.run(node, range(8))}) == 2


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(NoCluster, match="No Ray cluster answers"):
        RayFarm("127.0.0.1:1")


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed here")
def test_without_ray_the_error_says_how_to_install_it() -> None:
    with pytest.raises(NoCluster) as refused:
        RayFarm("auto")
    assert refused.value.help is not None
    assert "headgate[ray]" in refused.value.help


def test_a_farm_is_asked_for_by_name_only_when_one_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    monkeypatch.setattr(importlib.util, "find_spec", looked.append)
    with pytest.raises(NoCluster):
        RayFarm("auto")
    assert looked == ["ray"]
