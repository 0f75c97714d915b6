"""Weighted directed clustering of a dense graph, with NetworkX and with NumPy.

The graph: 400 nodes, each of the ordered pairs an edge with probability 1/2, weights uniform in (0, 1]. Weights are
divided by the greatest and enter as cube roots (Fagiolo 2007), as `networkx.clustering(graph, weight="weight")` does.

NetworkX takes over five minutes for all nodes, so it is asked for every fiftieth node, and its time is multiplied by 50:
it works node by node, and the nodes of this graph are alike.
"""

import networkx as nx
import numpy as np

import timing

NODES = 400
STEP = 50


def weights():
    """The weight matrix; zero where there is no edge."""
    rng = np.random.default_rng(0)
    matrix = (rng.random((NODES, NODES)) < 0.5) * (1.0 - rng.random((NODES, NODES)))
    np.fill_diagonal(matrix, 0.0)
    return matrix


def clustering_networkx():
    """NetworkX's own, for every STEP-th node."""
    graph = nx.from_numpy_array(weights(), create_using=nx.DiGraph)
    return lambda: nx.clustering(graph, nodes=range(0, NODES, STEP), weight="weight")


def clustering_numpy():
    """The same as matrix products: diag((W^1/3 + W^T^1/3)^3) over 2 (d (d - 1) - 2 d_both)."""
    matrix = weights()

    def compute():
        root = np.cbrt(matrix / matrix.max())
        both = root + root.T
        edges = (matrix != 0).astype(float)
        degree = edges.sum(0) + edges.sum(1)
        mutual = (edges * edges.T).sum(1)
        triangles = np.einsum("ij,ji->i", both @ both, both)
        pairs = 2.0 * (degree * (degree - 1.0) - 2.0 * mutual)
        return np.divide(triangles, pairs, out=np.zeros(NODES), where=triangles != 0)

    return compute


if __name__ == "__main__":
    timing.run(
        {"clustering_networkx": clustering_networkx, "clustering_numpy": clustering_numpy},
        scale={"clustering_networkx": STEP},
    )
