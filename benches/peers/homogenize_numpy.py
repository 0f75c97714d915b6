"""Homogenise made-up worms with NumPy: vectorised, and naively with loops over time.

Prints one JSON line {name, worms, seconds, threads?, check} per version (the naive one knows no threads); our side is the example
`homogenize_speed` of the crate bio-data, which makes the same worms by the same formulas.

usage: homogenize_numpy.py [WORMS] [RUNS] [NAIVE_WORMS]
The naive version runs on NAIVE_WORMS worms; its seconds are scaled to WORMS by the number of values.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.sparse import csr_matrix

DT, WINDOW = 0.333, 15


def synthetic(w):
    samples, neurons = 1600 + (w * 137) % 1401, 100 + (w * 29) % 51
    step = 0.2 + 0.004 * ((w * 61) % 100)
    i, n = np.arange(samples), np.arange(neurons)
    t = step * (i + 0.2 * np.modf(0.618034 * i)[0])
    x = np.sin(0.013 * np.outer(t, n + 1) + w) + 0.3 * np.cos(0.41 * np.outer(t, 1 + n % 7) + n)
    return t, np.ascontiguousarray(x)


# Vectorised: every step over all neurons at once; resampling is one sparse matrix for the four traces.


def moving(x):
    length = WINDOW // 2 + 1
    sums = np.cumsum(x, axis=0)
    out = sums.copy()
    out[length:] -= sums[:-length]
    out /= np.minimum(np.arange(1, len(x) + 1), length)[:, None]
    return out


def resampling_matrix(t):
    faster = DT < np.median(np.diff(t))
    step = DT if faster else DT / 6
    grid = np.arange(0.0, t[-1], step)
    group = 1 if faster else 6
    outputs = len(grid) // group
    grid = grid[: outputs * group]
    left = np.clip(np.searchsorted(t, grid, side="right") - 1, 0, len(t) - 2)
    part = (grid - t[left]) / (t[left + 1] - t[left])
    rows = np.repeat(np.arange(outputs), group)
    return csr_matrix(
        (
            np.concatenate([(1 - part) / group, part / group]),
            (np.concatenate([rows, rows]), np.concatenate([left, left + 1])),
        ),
        shape=(outputs, len(t)),
    )


def vectorised(worm):
    t, x = worm
    t = t - t[0]
    residual = np.gradient(x, t, axis=0)
    smooth, smooth_residual = moving(x), moving(residual)
    matrix = resampling_matrix(t)
    new = [matrix @ a for a in (smooth, residual, smooth_residual)]
    z = new[0] - new[0].mean(axis=0)
    std = new[0].std(axis=0)
    z /= np.where(std == 0, 1, std)
    return [np.ascontiguousarray(a.T, dtype=np.float32) for a in (x, residual, smooth, smooth_residual, z, *new)]


# Naive: as one writes it first, with loops over time and over neurons.


def naive(worm):
    t, x = worm
    t = t - t[0]
    residual = np.stack([np.gradient(x[:, j], t) for j in range(x.shape[1])], axis=1)

    def smoothed(a):
        out = np.zeros_like(a)
        for j in range(len(a)):
            out[j] = a[max(j - WINDOW // 2, 0) : j + 1].mean(axis=0)
        return out

    faster = DT < np.median(np.diff(t))
    step = DT if faster else DT / 6
    grid = np.arange(0.0, t[-1], step)

    def resampled(a):
        fine = np.zeros((len(grid), a.shape[1]))
        for j in range(a.shape[1]):
            fine[:, j] = np.interp(grid, t, a[:, j])
        if faster:
            return fine
        out = np.zeros((len(grid) // 6, a.shape[1]))
        for k in range(len(out)):
            out[k] = fine[6 * k : 6 * k + 6].mean(axis=0)
        return out

    smooth, smooth_residual = smoothed(x), smoothed(residual)
    # The published code resamples the raw trace too.
    new = [resampled(a) for a in (smooth, residual, smooth_residual)]
    resampled(x)
    z = np.zeros_like(new[0])
    for j in range(z.shape[1]):
        std = new[0][:, j].std()
        z[:, j] = (new[0][:, j] - new[0][:, j].mean()) / (std if std > 0 else 1)
    return [np.ascontiguousarray(a.T, dtype=np.float32) for a in (x, residual, smooth, smooth_residual, z, *new)]


def report(name, work, worms, all_worms, runs, threads=None):
    seconds, check = [], 0.0
    for run in range(runs + 1):
        start = time.perf_counter()
        if threads is not None and threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                done = list(pool.map(work, worms))
        else:
            done = [work(worm) for worm in worms]
        if run > 0 or runs == 1:
            seconds.append(time.perf_counter() - start)
        # Mean absolute score: the same whatever the order of the rows.
        check = sum(float(np.abs(d[4]).mean(dtype=np.float64)) for d in done)
        if runs == 1:
            break
    scale = sum(x.size for _, x in all_worms) / sum(x.size for _, x in worms)
    line = {"name": name, "worms": len(all_worms), "seconds": float(np.median(seconds)) * scale}
    if threads is not None:
        line["threads"] = threads
    if len(worms) != len(all_worms):
        line["measured_worms"] = len(worms)
    print(json.dumps(line | {"check": round(check * scale, 5)}), flush=True)


def main():
    arguments = [int(a) for a in sys.argv[1:]] + [100, 7, 10][len(sys.argv) - 1 :]
    worms = [synthetic(w) for w in range(arguments[0])]
    report("numpy, vectorised", vectorised, worms, worms, arguments[1], threads=1)
    report("numpy, vectorised", vectorised, worms, worms, arguments[1], threads=2)
    report("numpy, naive", naive, worms[: arguments[2]], worms, 1)


if __name__ == "__main__":
    main()
