"""Credential plugins: what they are told, what they may print, and for how long."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from demo.waiting import until
from remediator.kube.credential_plugin import API_VERSIONS, Plugin, PluginFailed, PluginPatience

GOOD = {"apiVersion": API_VERSIONS[0], "kind": "ExecCredential", "status": {"token": "t0ken"}}
ENOUGH = PluginPatience(seconds=20, seconds_at_terminal=20)


def python(program: str, **settings: Any) -> Plugin:
    """A plugin that is a program in Python."""
    return Plugin(**{"command": sys.executable, "arguments": ("-c", program), "mode": "Never", **settings})


def printing(value: object) -> Plugin:
    """A plugin that prints this value in JSON, or this text."""
    text = value if isinstance(value, str) else json.dumps(value)
    return python(f"import sys; sys.stdout.write({text!r})")


def changed(**status: Any) -> dict[str, Any]:
    """A good answer with another status."""
    return {**GOOD, "status": status}


def test_a_plugin_is_told_what_client_go_tells_it() -> None:
    """Its own arguments and variables, the version that it has to answer in, and the cluster where that is wanted."""
    program = """
import json, os, sys
told = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
token = json.dumps([sys.argv[1:], os.environ["REGION"], told, sys.stdin.read()])
print(json.dumps({"apiVersion": told["apiVersion"], "kind": "ExecCredential", "status": {"token": token}}))
"""
    plugin = python(
        program,
        arguments=("-c", program, "a"),
        environment={"REGION": "eu"},
        api_version=API_VERSIONS[1],
        cluster={"server": "https://x"},
    )
    arguments, region, told, stdin = json.loads(plugin.run(ENOUGH).token)
    assert (arguments, region, stdin) == (["a"], "eu", "")
    assert told == {
        "apiVersion": API_VERSIONS[1],
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": "https://x"}},
    }


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        ("", "no ExecCredential in JSON"),
        ("no JSON", "no ExecCredential in JSON"),
        ("[]", "no ExecCredential in JSON"),
        ("[" * 100_000, "no ExecCredential in JSON"),
        ({**GOOD, "apiVersion": API_VERSIONS[1]}, "of client.authentication.k8s.io/v1beta1, and the kubeconfig asks"),
        ({**GOOD, "kind": "Pod"}, "printed Pod of"),
        ({**GOOD, "status": None}, "without a status"),
        (changed(), "neither a token nor a certificate"),
        (changed(token=""), "neither a token nor a certificate"),
        (changed(token=7), "status.token that is not a string"),
        (changed(clientKeyData="key"), "a certificate or a key, but not both"),
        (changed(token="t", expirationTimestamp="soon"), "not an RFC 3339 time: soon"),
        (changed(token="t", expirationTimestamp="2030-01-01T00:00:00"), "not an RFC 3339 time"),
        ("x" * 100_000, "no ExecCredential in JSON"),
    ],
)
def test_what_is_no_credential_is_one_line(printed: object, says: str) -> None:
    """The error names the plugin and what is wrong with its answer."""
    with pytest.raises(PluginFailed, match=says) as told:
        printing(printed).run(ENOUGH)
    assert "\n" not in str(told.value)
    assert sys.executable in str(told.value)


def test_a_plugin_that_prints_without_end_is_ended() -> None:
    """What it prints is bounded."""
    with pytest.raises(PluginFailed, match="printed over 1 MiB"):
        python("while True: print('x' * 10_000)").run(ENOUGH)


def test_a_plugin_that_fails_is_shown_with_its_words() -> None:
    """Its standard error is shown, without what would steer a terminal, and not all of a long one."""
    program = "import sys; sys.stderr.write('x' * 100_000 + '\\x1b[31mno\\nnetwork'); sys.exit(7)"
    with pytest.raises(PluginFailed, match=r"failed with exit code 7: x.*\[31mno network$") as told:
        python(program).run(ENOUGH)
    assert len(str(told.value)) < 1000
    assert str(told.value).isprintable()


def test_a_missing_plugin_is_shown_with_its_hint() -> None:
    """The kubeconfig says how to install it, possibly on many lines."""
    with pytest.raises(PluginFailed, match=r"nowhere-to-be-found is not installed; run brew install it$"):
        Plugin(command="nowhere-to-be-found", install_hint="run\nbrew install\x07 it\n").run(ENOUGH)


@pytest.mark.parametrize(
    "program",
    [
        "import time; time.sleep(60)",
        "import os, time; os.close(1); os.close(2); time.sleep(60)",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
        "import subprocess; subprocess.run(['sleep', '60'])",
        "import sys, time\nwhile True: sys.stderr.write('.'); sys.stderr.flush(); time.sleep(0.01)",
    ],
    ids=["sleeps", "silent", "stubborn", "child", "busy"],
)
def test_a_plugin_that_hangs_costs_a_bounded_time(program: str) -> None:
    """It is ended, whatever it does, and the error says so."""
    began = time.monotonic()
    with pytest.raises(PluginFailed, match="gave no answer in 0s and was killed"):
        python(program).run(PluginPatience(seconds=0.4))
    assert time.monotonic() - began < 50


def test_what_a_plugin_has_started_ends_with_it(tmp_path: Path) -> None:
    """A child of a plugin that is ended does not stay behind."""
    note = tmp_path / "pid"
    program = f"""
import pathlib, subprocess, time
child = subprocess.Popen(["sleep", "60"])
pathlib.Path({str(note)!r}).write_text(str(child.pid))
child.wait()
"""
    with pytest.raises(PluginFailed):
        python(program).run(PluginPatience(seconds=2))

    def is_gone() -> bool:
        status = Path(f"/proc/{note.read_text()}/stat")
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"

    until("the child is gone", is_gone, 60)


def test_what_a_plugin_leaves_running_is_not_waited_for() -> None:
    """A plugin that has answered is done, even where a child of it holds its output open."""
    program = f"import subprocess; print({json.dumps(GOOD)!r}, flush=True); subprocess.Popen(['sleep', '60'])"
    began = time.monotonic()
    assert python(program).run(ENOUGH).token == "t0ken"
    assert time.monotonic() - began < 40


def test_a_person_hears_what_is_waited_for() -> None:
    """Whoever waits reads at once what the plugin writes, and after some seconds that it is a plugin that is slow."""
    said: list[object] = []
    program = "import sys, time; print('open https://x and type ABC\\x1b', file=sys.stderr, flush=True); time.sleep(60)"
    with pytest.raises(PluginFailed):
        python(program).run(PluginPatience(seconds=1, say=said.append))
    assert said == [
        f"{sys.executable}: open https://x and type ABC",
        f"waiting for the credential plugin {sys.executable}, for up to 1s",
    ]


def test_a_plugin_that_wants_a_terminal_is_not_run_without() -> None:
    """interactiveMode Always needs somebody to ask."""
    with pytest.raises(PluginFailed, match="needs a terminal"):
        python("print()", mode="Always").run(ENOUGH)


@pytest.mark.parametrize(("mode", "interactive"), [("Never", False), ("IfAvailable", True), ("Always", True)])
def test_a_plugin_is_told_whether_it_may_ask(mode: str, interactive: bool) -> None:
    """With a terminal, all but Never are told so, and stay in its foreground."""
    program = """
import json, os
told = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
token = json.dumps([told["spec"]["interactive"], os.getpgrp()])
print(json.dumps({"apiVersion": told["apiVersion"], "kind": "ExecCredential", "status": {"token": token}}))
"""
    patience = PluginPatience(seconds=20, seconds_at_terminal=20, terminal=True)
    told, group = json.loads(python(program, mode=mode).run(patience).token)
    assert (told, group == os.getpgrp()) == (interactive, interactive)
