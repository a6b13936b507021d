"""A Ray cluster of two nodes on this machine. Run by the Python that has Ray.

    python ray_cluster.py

Prints its address, then does what standard input says: `node` kills the second node, `head` the
first one, the end stops all.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

STORE_BYTES = 100 << 20


def main() -> None:
    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for line in sys.stdin:
        gone = second if line.strip() == "node" else cluster.head_node
        cluster.remove_node(gone, allow_graceful=False)
        print("gone", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
