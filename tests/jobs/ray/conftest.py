from collections.abc import Iterator

import pytest
from ray.cluster_utils import Cluster


@pytest.fixture(scope="session")
def two_nodes() -> Iterator[Cluster]:
    """A cluster of two nodes, each with processes and a store of its own; here they share a machine."""
    with pytest.MonkeyPatch.context() as patch:
        # Replicas would give way to whatever else the machine does.
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
        try:
            cluster.add_node(num_cpus=2)
            yield cluster
        finally:
            cluster.shutdown()  # type: ignore[no-untyped-call]  # Ray is not typed throughout
