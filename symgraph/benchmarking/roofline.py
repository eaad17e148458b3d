"""What the machine can do at most: the rate of a large matrix product, and of copying memory.

python roofline.py THREADS
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

__all__ = ["measure"]


def measure(threads: int) -> dict[str, float]:
    """Measure in a fresh process, on so many threads.

    # Returns
        flops_per_second: of NumPy's product of two float32 matrices of 1536 rows and columns, the fastest of several;
        bytes_per_second: read plus written by copies of 256 MB, shared by the threads, the fastest of several.
    """
    from symgraph import config
    from symgraph.benchmarking.processes import thread_environment
    from symgraph.cli import CommandError

    environment = config.child_environment(**thread_environment(threads))
    done = subprocess.run([sys.executable, __file__, str(threads)], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise CommandError(f"measuring the machine failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def _product(size: int = 1536, repeats: int = 12) -> float:
    import numpy as np

    a = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    b, out = a.T.copy(), np.empty_like(a)
    return 2 * size**3 / _fastest(lambda: np.matmul(a, b, out=out), repeats)


def _copy(threads: int, megabytes: int = 256, repeats: int = 8) -> float:
    import numpy as np

    x = np.ones(megabytes << 18, np.float32)
    y = np.zeros_like(x)
    parts = list(zip(np.array_split(x, threads), np.array_split(y, threads)))

    def copy() -> None:
        # NumPy copies without the interpreter's lock.
        workers = [threading.Thread(target=np.copyto, args=(to, of)) for of, to in parts[1:]]
        for worker in workers:
            worker.start()
        np.copyto(parts[0][1], parts[0][0])
        for worker in workers:
            worker.join()

    return 2 * x.nbytes / _fastest(copy, repeats)


def _fastest(call, repeats: int) -> float:  # type: ignore[no-untyped-def]
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    number = int(sys.argv[1])
    print(json.dumps({"flops_per_second": _product(), "bytes_per_second": _copy(number)}))
