"""Seconds of the adaptive independence test in NumPy: one matrix product per permutation, and plain loops.

60 samples, 10 thresholds (45 pairs a side), 99 permutations; JSON lines {name, seconds}. No package has this test; the
vectorised form is the one that the cost estimate of the method suggests. Needs numpy.
"""

import json
import statistics
import sys
import time

import numpy as np

repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
N, K, PERMUTATIONS = 60, 10, 99


def thresholded(x):
    d = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))
    top, grid = d.max(), np.linspace(0, 1, K)
    out = []
    for i in range(K):
        for j in range(i + 1, K):
            low, high = grid[i] * top, grid[j] * top
            a = np.clip((d - low) / (high - low), 0, 1) * top
            a = a - a.mean(0) - a.mean(1)[:, None] + a.mean()
            norm = np.sqrt((a * a).sum())
            out.append(a / norm if norm > 0 else a * 0)
    return np.array(out)


def vectorised(x, y, rng):
    a, b = thresholded(x), thresholded(y)
    flat = a.reshape(len(a), -1)
    observed = np.abs(flat @ b.reshape(len(b), -1).T).max()
    hits = 0
    for _ in range(PERMUTATIONS):
        order = rng.permutation(N)
        moved = b[:, order][:, :, order]
        hits += np.abs(flat @ moved.reshape(len(b), -1).T).max() >= observed
    return np.sqrt(observed), (1 + hits) / (1 + PERMUTATIONS)


def naive(x, y, rng):
    a, b = thresholded(x), thresholded(y)

    def most(order):
        best = 0.0
        for p in a:
            for q in b:
                best = max(best, abs((p * q[np.ix_(order, order)]).sum()))
        return best

    observed = most(np.arange(N))
    hits = sum(most(rng.permutation(N)) >= observed for _ in range(PERMUTATIONS))
    return np.sqrt(observed), (1 + hits) / (1 + PERMUTATIONS)


rng = np.random.default_rng(0)
t = rng.random(N) * 2 * np.pi
x = np.cos(t)[:, None] + 0.25 * rng.normal(size=(N, 1))
y = np.sin(t)[:, None] + 0.25 * rng.normal(size=(N, 1))

for name, test, times in [
    ("agtic_n60_k10_p99_vectorised", vectorised, repeats),
    ("agtic_n60_k10_p99_naive", naive, max(1, repeats // 3)),
]:
    seconds = []
    for run in range(times + 1):
        clock = time.perf_counter()
        test(x, y, np.random.default_rng(run))
        seconds.append(time.perf_counter() - clock)
    print(json.dumps({"name": name, "seconds": statistics.median(seconds[1:])}), flush=True)
