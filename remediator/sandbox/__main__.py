"""`python -m remediator.sandbox`: the embedded cluster as a process of its own.

One rule: it ends on a signal (SIGTERM, SIGINT), or with the parent that holds its standard input.
"""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from remediator.sandbox.cluster import EmbeddedCluster


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m remediator.sandbox",
        description="A small Kubernetes-like API with DENIS in it. For trials only.",
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=int, default=0, help="on loopback; 0: any free one")
    parser.add_argument("--kubeconfig", type=Path, required=True, metavar="FILE", help="written at start")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input reaches its end")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Serve until asked to stop."""
    given = _arguments(arguments)
    done = threading.Event()

    def finish(number: int, frame: FrameType | None) -> None:
        done.set()

    signal.signal(signal.SIGTERM, finish)
    signal.signal(signal.SIGINT, finish)
    try:
        with EmbeddedCluster(port=given.port) as cluster:
            cluster.write_kubeconfig(given.kubeconfig)
            sys.stderr.write(
                f"embedded cluster at {cluster.url}, kubeconfig {given.kubeconfig}: "
                "a sandbox for trials, nothing else\n"
            )
            sys.stderr.flush()
            if given.until_stdin_closes:
                threading.Thread(target=_await_end_of_input, args=(done,), daemon=True).start()
            done.wait()
    except OSError as error:
        sys.stderr.write(f"embedded cluster: {error}\n")
        return 1
    return 0


def _await_end_of_input(done: threading.Event) -> None:
    # Not sys.stdin: a thread waiting for its buffer's lock would keep the interpreter from exiting.
    while os.read(0, 4096):
        pass
    done.set()


if __name__ == "__main__":
    sys.exit(main())
