"""`python -m demo`: set the stage, tell the story, leave nothing running."""

import argparse
import os
import sys
import threading

from demo.process import Ended
from demo.stack import Alertmanager, Prometheus, Remediator
from demo.stage import TOKEN, Stage
from demo.story import tell
from demo.timeline import Timeline


def main() -> int:
    """Tell the story; 0 if it came true."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="The reflex at work, as a timeline.")
    parser.add_argument("--stay", action="store_true", help="leave everything running until Ctrl-C")
    stay = parser.parse_args().stay
    timeline = Timeline()
    try:
        with Stage(timeline) as stage:
            timeline.title("Remediator, the reflex of a canary: a story of half a minute")
            try:
                tell(stage.assemble())
            except BrokenPipeError:
                raise
            except (Ended, TimeoutError, OSError) as error:
                _explain(timeline, error, stage)
                return 1
            if stay:
                _show_addresses(timeline, stage)
                threading.Event().wait()
            _look_further(timeline)
    except KeyboardInterrupt:
        timeline.note("\n  Stopped; nothing is left running.")
        return 0 if stay else 130
    except BrokenPipeError:
        # Nobody reads on: nothing more can be said, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _show_addresses(timeline: Timeline, stage: Stage) -> None:
    timeline.heading("Look further")
    environment = {"PATH": "$PWD/.venv/bin:$PATH", "KUBECONFIG": str(stage.kubeconfig)}
    for process in stage.running:
        match process:
            case Remediator():
                environment["REMEDIATOR_URL"] = f"http://{process.internal_address}"
                timeline.fact("status page", f"http://{process.internal_address}/")
                timeline.fact("webhook", f"http://{process.address}/webhook   (Authorization: Bearer {TOKEN})")
            case Prometheus() | Alertmanager():
                environment[f"REMEDIATOR_{process.name.upper()}_URL"] = f"http://{process.address}"
                timeline.fact(process.name.capitalize(), f"http://{process.address}/")
            case _:
                pass
    environment["REMEDIATOR_DENIS_URL"] = f"http://{stage.denis}"
    timeline.fact("DENIS", f"http://{stage.denis}/metrics")
    timeline.fact("to try it", "in another terminal, in this folder, paste")
    timeline.note(f"\n  export {' '.join(f'{name}={value}' for name, value in environment.items())}\n")
    timeline.fact("and then", "remediator canary status")
    timeline.fact("", "remediator canary preflight 10")
    timeline.fact("", "remediator canary history")
    timeline.fact("", "kubectl -n denis describe deployment denis")
    timeline.fact("Ctrl-C", "stops everything")


def _look_further(timeline: Timeline) -> None:
    timeline.heading("Look further")
    timeline.fact("the same", ".venv/bin/python -m demo --stay   (left running, with every address)")
    serve = ".venv/bin/remediator serve --embedded --embedded.kubeconfig=kubeconfig --insecure-no-auth"
    timeline.fact("by hand", serve)
    timeline.fact("", "kubectl --kubeconfig=kubeconfig -n denis describe deployment denis")
    timeline.fact("", "http://127.0.0.1:9090/   (its status page)")
    timeline.fact("your rules", ".venv/bin/remediator check rules/remediations.yaml")
    timeline.fact("read", "README.md, rules/, docs/")
    timeline.note("")


def _explain(timeline: Timeline, error: Exception, stage: Stage) -> None:
    timeline.note(f"\n  The story did not come true: {error}", "bad")
    for process in stage.running:
        if words := process.last_words():
            timeline.note(f"\n  The last lines of {process.name}:")
            timeline.note("  " + words.replace("\n", "\n  "), "quiet")


if __name__ == "__main__":
    sys.exit(main())
