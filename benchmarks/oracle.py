"""Compare the back-test with the real rule manager on many more histories than a test has time for.

python -m benchmarks.oracle --seeds=50
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.oracle import VERSIONS, disagreements


def main() -> int:
    """Print what was compared; 0 if they agree at every evaluation."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.oracle", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--readings", type=int, default=480, help="of each series, 15 s apart")
    given = parser.parse_args()
    total = 0
    for version in VERSIONS:
        with TemporaryDirectory() as folder:
            wrong, evaluations, firing, words = disagreements(version, range(given.seeds), given.readings, Path(folder))
        print(f"{version}: {wrong} disagreements at {evaluations} evaluations; alerts fire at {firing}", flush=True)
        if wrong:
            print(words[:2_000])
        total += wrong
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
