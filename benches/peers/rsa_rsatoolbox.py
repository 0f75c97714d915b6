"""Seconds that rsatoolbox takes to compare two RDMs of 1000 stimuli; JSON lines {name, seconds}.

Needs numpy and rsatoolbox.
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
rng = np.random.default_rng(0)
pairs = 1000 * 999 // 2
first = rng.random(pairs)
second = first + rng.random(pairs)
a, b = rsatoolbox.rdm.RDMs(first[None]), rsatoolbox.rdm.RDMs(second[None])

for name, method in [("rsa_spearman_1000", "spearman"), ("rsa_kendall_1000", "kendall")]:
    seconds = []
    for _ in range(repeats + 1):
        clock = time.perf_counter()
        rsatoolbox.rdm.compare(a, b, method=method)
        seconds.append(time.perf_counter() - clock)
    print(json.dumps({"name": name, "seconds": statistics.median(seconds[1:])}), flush=True)
