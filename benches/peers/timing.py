"""What peer scripts share: `SCRIPT [REPEATS] [NAME ..]`, the warm-up, and one JSON line for each repetition.

A script ends with `timing.run({name: maker, ..})`. A maker prepares the input of one computation and returns the
computation, so that the input of one is not made for another. `scale` holds how many times the whole of a computation is
what its maker returns; seconds are multiplied by it.
"""

import json
import sys
import time


def run(makers, scale=None):
    """Measures the named computations, or all, and prints the seconds of each repetition."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    for name in [name for name in makers if name in sys.argv[2:]] or makers:
        compute = makers[name]()
        times = (scale or {}).get(name, 1)
        compute()
        for _ in range(repeats):
            start = time.perf_counter()
            compute()
            print(json.dumps({"name": name, "seconds": (time.perf_counter() - start) * times}), flush=True)
