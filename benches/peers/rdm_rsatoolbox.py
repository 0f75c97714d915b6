"""Seconds that rsatoolbox takes for RDMs of 1000 patterns x 2000 channels; JSON lines {name, seconds}.

Threads: OMP_NUM_THREADS and OPENBLAS_NUM_THREADS. Needs numpy and rsatoolbox.
"""

import json
import statistics
import sys
import time
import warnings

import numpy as np
import rsatoolbox

warnings.filterwarnings("ignore")
repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
patterns = np.random.default_rng(0).normal(size=(1000, 2000))
data = rsatoolbox.data.Dataset(patterns)

for name, method in [("rdm_correlation_1000x2000", "correlation"), ("rdm_euclidean_1000x2000", "euclidean")]:
    seconds = []
    for _ in range(repeats + 1):
        clock = time.perf_counter()
        rsatoolbox.rdm.calc_rdm(data, method=method)
        seconds.append(time.perf_counter() - clock)
    # The first run warms up.
    print(json.dumps({"name": name, "seconds": statistics.median(seconds[1:])}), flush=True)
