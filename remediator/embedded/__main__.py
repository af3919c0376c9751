"""`python -m remediator.embedded`: the embedded cluster as a process of its own.

One rule: it ends when it is told to (SIGTERM, SIGINT), or with the parent that holds its standard input.
"""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from remediator.embedded.cluster import STEP_SECONDS, EmbeddedCluster


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    # Whoever reaches it is its administrator.
    if not (host in ("", "localhost") or host.startswith("127.")):
        raise argparse.ArgumentTypeError(f"{host!r} is not on loopback")
    return host or "127.0.0.1", int(port)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m remediator.embedded",
        description="A small Kubernetes-API lookalike that holds DENIS. It is for trying out only.",
        allow_abbrev=False,
    )
    parser.add_argument("--listen-address", type=_address, default=("127.0.0.1", 0), metavar="HOST:PORT")
    parser.add_argument("--kubeconfig", type=Path, required=True, metavar="FILE", help="written at start")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="accept this bearer token too")
    parser.add_argument("--step", type=float, default=STEP_SECONDS, metavar="SECONDS", help="the pace of rollouts")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input reaches its end")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    given = _arguments(arguments)
    done = threading.Event()

    def finish(number: int, frame: FrameType | None) -> None:
        done.set()

    signal.signal(signal.SIGTERM, finish)
    signal.signal(signal.SIGINT, finish)
    try:
        token = given.token_file.read_text(encoding="utf-8").strip() if given.token_file else None
        host, port = given.listen_address
        with EmbeddedCluster(host=host, port=port, token=token, step=given.step) as cluster:
            cluster.write_kubeconfig(given.kubeconfig)
            sys.stderr.write(
                f"embedded cluster at {cluster.url}, kubeconfig {given.kubeconfig}: "
                "a lookalike for trying out, nothing else\n"
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
    # Not sys.stdin: a thread that waits in its buffer's lock would keep the interpreter from ending.
    while os.read(0, 4096):
        pass
    done.set()


if __name__ == "__main__":
    sys.exit(main())
