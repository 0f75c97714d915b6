"""Drives the neuropil program from Python with NumPy alone: arrays in as .npz, answers out as JSON and .npz.

    python drive_neuropil.py [PROGRAM]     # or NEUROPIL_BIN=PROGRAM; otherwise `neuropil` on the PATH

Every figure is computed again in NumPy; the exit status is 1 when one differs.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NEUROPIL_BIN", "neuropil")
differing = []


def neuropil(*arguments, folder):
    """Runs one verb in a folder; its JSON document."""
    command = [str(Path(PROGRAM).resolve()) if os.sep in PROGRAM else PROGRAM, *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def compare(name, ours, theirs, tolerance):
    """Prints the program's figure beside NumPy's and remembers when they differ."""
    gap = float(np.max(np.abs(np.asarray(ours) - np.asarray(theirs))))
    good = gap <= tolerance
    print(f"{'ok ' if good else 'BAD'} {name}: greatest difference {gap:.2e}, allowed {tolerance:.0e}")
    if not good:
        differing.append(name)


def upper(square):
    """Row-major upper triangle without the diagonal."""
    return square[np.triu_indices(len(square), 1)]


def ranks(values):
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2.0)[place]


def main(folder):
    rng = np.random.default_rng(7)
    signal = rng.normal(size=(30, 40))
    recordings = {"a": signal, "b": signal + rng.normal(size=signal.shape)}

    condensed = {}
    for name, patterns in recordings.items():
        np.savez(folder / f"{name}.npz", patterns=patterns)
        rdm = f"{name}-rdm.npz"
        answer = neuropil(
            "geometry", "rdm", f"{name}.npz", "--metric", "correlation", "--out", rdm, folder=folder
        )
        with np.load(folder / rdm) as file:
            condensed[name] = file["rdm"]
            print(f"{rdm}: {answer['n']} stimuli, metric {file['metric'].item()}")
        compare(f"RDM of {name}", condensed[name], upper(1.0 - np.corrcoef(patterns)), 1e-12)

    answer = neuropil(
        "geometry", "rsa", "a-rdm.npz", "b-rdm.npz", "--compare", "spearman", folder=folder
    )
    spearman = np.corrcoef(ranks(condensed["a"]), ranks(condensed["b"]))[0, 1]
    compare("Spearman similarity of the RDMs", answer["similarity"], spearman, 1e-12)

    embeddings = rng.normal(size=(10, 64))
    np.savez(folder / "embeddings.npz", embeddings=embeddings)
    answer = neuropil("llm", "eigenscore", "embeddings.npz", folder=folder)
    alpha = 1e-3
    covariance = np.cov(embeddings) + alpha * np.eye(len(embeddings))
    compare("EigenScore", answer["eigenscore"], np.mean(np.log(np.linalg.eigvalsh(covariance))), 1e-10)

    run = answer["run"]
    print(f"neuropil {run['version']} ({run['commit']}), device {run['device']}, seed {run['seed']}")
    if differing:
        raise SystemExit(f"differ from NumPy: {', '.join(differing)}")
    print("all figures agree with NumPy")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(Path(scratch))
