"""Helm 3, the command, and Helm 4, the SDK behind it, as one thing that tests can ask."""

import atexit
import copy
import json
import os
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from tests.chart.answers import Refused, kept
from tests.support.components import CACHE, component
from tests.support.control_plane.programs import find_program

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "remediator"
DRIVER = Path(__file__).parent / "helm4_driver.py"
KUBERNETES = "1.36.2"
WAIT_SECONDS = 60
Object = dict[str, Any]
Values = Mapping[str, Any]
T = TypeVar("T")


class Helm(ABC):
    """One version of Helm. Values are given whole, for the two spell files and overrides differently."""

    name: str

    def __init__(self, directory: Path, kubeconfig: Path | None = None) -> None:
        self._directory = directory
        self._kubeconfig = kubeconfig

    @abstractmethod
    def _version(self) -> str:
        """Which program it is."""

    @abstractmethod
    def _lint(self, values: Values) -> list[str]: ...

    @abstractmethod
    def _template(
        self, values: Values, *, chart: Path, name: str, namespace: str, version: str = KUBERNETES
    ) -> dict[str, str]: ...

    @abstractmethod
    def install(
        self, name: str, namespace: str, values: Values, *, wait: bool = True, chart: Path = CHART, whole: bool = False
    ) -> None:
        """Install and wait; `whole` takes everything away again where something fails. Raises Refused."""

    @abstractmethod
    def upgrade(self, name: str, namespace: str, values: Values, *, whole: bool = False) -> None:
        """Upgrade and wait; `whole` goes back to what was there where something fails. Raises Refused."""

    @abstractmethod
    def rollback(self, name: str, namespace: str) -> None:
        """Go back to the revision before, and wait. Raises Refused."""

    @abstractmethod
    def uninstall(self, name: str, namespace: str) -> None:
        """Uninstall and wait. Raises Refused."""

    @abstractmethod
    def package(self, directory: Path) -> Path:
        """The chart's archive, made in a directory."""

    def lint(self, values: Values) -> list[str]:
        """What `lint --strict` finds."""
        found: list[str] = kept(self._program(), CHART, ["lint", values], lambda: self._lint(values))
        return found

    def template(self, values: Values, *, chart: Path, **place: str) -> dict[str, str]:
        """Manifests by template, unparsed, for a `name` in a `namespace`. Raises Refused."""
        if chart != CHART:  # A test has made it, or its archive, and it is not seen again.
            return self._template(values, chart=chart, **place)
        question = ["template", values, place]
        manifests: dict[str, str] = kept(
            self._program(), chart, question, lambda: self._template(values, chart=chart, **place)
        )
        return manifests

    def _program(self) -> str:
        """What an answer goes by beside the chart and the question: how Helm is asked here, too."""
        return f"{self._version()}{Path(__file__).read_text()}"

    def render(
        self, values: Values, *, name: str = "remediator", namespace: str = "denis", chart: Path = CHART
    ) -> list[Object]:
        """The rendered objects, without nulls in the order of kind and name. Raises Refused.

        Each Helm renders the same values once, so that a token that is made by chance is always the same.
        """
        place = {"name": name, "namespace": namespace}
        if chart != CHART:
            return _parsed(self.template(values, chart=chart, **place))
        key = (self.name, json.dumps(values, sort_keys=True), name, namespace)
        if key not in _rendered:
            _rendered[key] = _parsed(self.template(values, chart=chart, **place))
        return copy.deepcopy(_rendered[key])

    def render_again(self, values: Values, *, name: str = "remediator", namespace: str = "denis") -> list[Object]:
        """The same, whether or not it was rendered before. Raises Refused."""
        return _parsed(self._template(values, chart=CHART, name=name, namespace=namespace))


def _parsed(manifests: Mapping[str, str]) -> list[Object]:
    texts = (text for path, text in manifests.items() if path.endswith(".yaml"))
    objects = [one for text in texts for one in yaml.load_all(text, StrictLoader) if one]
    return sorted(objects, key=lambda one: (one["kind"], one["metadata"]["name"], one["metadata"].get("namespace")))


_rendered: dict[tuple[str, ...], list[Object]] = {}


class StrictLoader(yaml.CSafeLoader):
    """YAML in which a key that stands twice is an error: Helm 4 has the API server refuse it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, if its keys are unique."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{sorted(twice)} twice", node.start_mark)
        return super().construct_mapping(node, deep)


class Helm3(Helm):
    """The command of Helm 3."""

    name = "helm3"

    def _version(self) -> str:
        program = find_program("helm")
        return f"{program} {program.stat().st_size} {program.stat().st_mtime_ns}"

    def _lint(self, values: Values) -> list[str]:
        try:
            found = self._run("lint", CHART, "--strict", f"--kube-version={KUBERNETES}", *self._values(values))
        except Refused as error:
            found = str(error)
        return [line for line in found.splitlines() if line.startswith(("[ERROR]", "[WARNING]", "[INFO]"))]

    def _template(
        self, values: Values, *, chart: Path, name: str, namespace: str, version: str = KUBERNETES
    ) -> dict[str, str]:
        flags = [f"--namespace={namespace}", f"--kube-version={version}", *self._values(values)]
        text = self._run("template", name, chart, *flags)
        manifests: dict[str, str] = {}
        for part in text.split("\n---\n# Source: ") if text.startswith("---") else []:
            path, _, manifest = part.removeprefix("---\n# Source: ").partition("\n")
            manifests[path] = f"{manifests.get(path, '')}\n---\n{manifest}"
        return manifests

    def installed_notes(self, name: str, namespace: str) -> str:
        """The notes of a release that is installed."""
        return self._run("get", "notes", name, f"--namespace={namespace}", f"--kubeconfig={self._kubeconfig}")

    def install(
        self, name: str, namespace: str, values: Values, *, wait: bool = True, chart: Path = CHART, whole: bool = False
    ) -> None:
        """Install and wait; `whole` takes everything away again where something fails. Raises Refused."""
        flags = ["--atomic"] if whole else []
        self._act("install", name, namespace, chart, *self._values(values), *flags, wait=wait)

    def upgrade(self, name: str, namespace: str, values: Values, *, whole: bool = False) -> None:
        """Upgrade and wait; `whole` goes back to what was there where something fails. Raises Refused."""
        flags = ["--atomic"] if whole else []
        self._act("upgrade", name, namespace, CHART, *self._values(values), *flags)

    def rollback(self, name: str, namespace: str) -> None:
        """Go back to the revision before, and wait. Raises Refused."""
        self._act("rollback", name, namespace)

    def uninstall(self, name: str, namespace: str) -> None:
        """Uninstall and wait. Raises Refused."""
        self._act("uninstall", name, namespace)

    def package(self, directory: Path) -> Path:
        """The chart's archive, made in a directory."""
        self._run("package", CHART, f"--destination={directory}")
        return next(directory.glob("*.tgz"))

    def _act(self, action: str, name: str, namespace: str, *arguments: str | Path, wait: bool = True) -> None:
        flags = [f"--namespace={namespace}", f"--kubeconfig={self._kubeconfig}"]
        # Who does not wait needs the release as a beginning: reading the server's OpenAPI is most of its installation.
        flags += ["--wait", f"--timeout={WAIT_SECONDS}s"] if wait else ["--disable-openapi-validation"]
        self._run(action, name, *arguments, *flags)

    def _run(self, *arguments: str | Path) -> str:
        home = self._directory / "helm3"
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "GOGC": os.environ["GOGC"]}
        command = [find_program("helm"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
        if done.returncode < 0:
            done.check_returncode()  # It was killed, and has said nothing.
        if done.returncode:
            raise Refused(f"{done.stdout}{done.stderr}")
        return done.stdout

    def _values(self, values: Values) -> list[str]:
        path = self._directory / "values.json"
        path.write_text(json.dumps(values))
        return ["--values", str(path)]


class Helm4(Helm):
    """The SDK of Helm 4, in a process of its own."""

    name = "helm4"

    def _version(self) -> str:
        _helm4_python()
        return f"{(CACHE / 'helm4' / 'installed').read_text()}{DRIVER.read_text()}"

    def _lint(self, values: Values) -> list[str]:
        return [str(problem) for problem in self._run("lint", values=values)]

    def _template(
        self, values: Values, *, chart: Path, name: str, namespace: str, version: str = KUBERNETES
    ) -> dict[str, str]:
        assert version == KUBERNETES, "the SDK renders for the version that it knows best"
        manifests: dict[str, str] = self._run("render", chart=chart, values=values, name=name, namespace=namespace)
        return manifests

    def notes(self, values: Values) -> str:
        """NOTES.txt as it is shown after an installation. Helm 3 renders it only for a cluster."""
        manifests = self.template(values, name="remediator", namespace="denis", chart=CHART)
        return next(text for path, text in manifests.items() if path.endswith("NOTES.txt"))

    def install(
        self, name: str, namespace: str, values: Values, *, wait: bool = True, chart: Path = CHART, whole: bool = False
    ) -> None:
        """Install and wait; `whole` takes everything away again where something fails. Raises Refused."""
        place = {"name": name, "namespace": namespace}
        self._act("install", namespace, chart=chart, wait=wait, values=values, rollback_on_failure=whole, **place)

    def upgrade(self, name: str, namespace: str, values: Values, *, whole: bool = False) -> None:
        """Upgrade and wait; `whole` goes back to what was there where something fails. Raises Refused."""
        self._act("upgrade", namespace, name=name, namespace=namespace, values=values, rollback_on_failure=whole)

    def rollback(self, name: str, namespace: str) -> None:
        """Go back to the revision before, and wait. Raises Refused."""
        self._act("rollback", namespace, name=name)

    def uninstall(self, name: str, namespace: str) -> None:
        """Uninstall and wait. Raises Refused."""
        self._act("uninstall", namespace, name=name)

    def package(self, directory: Path) -> Path:
        """The chart's archive, made in a directory."""
        return Path(self._run("package", destination=str(directory)))

    def _act(
        self, action: str, config_namespace: str, *, wait: bool = True, chart: Path = CHART, **options: Any
    ) -> None:
        watching = {"wait": "watcher", "timeout": WAIT_SECONDS} if wait else {}
        place = {"kubeconfig": str(self._kubeconfig), "config_namespace": config_namespace}
        with _Helm4() as program:
            program.run(action, chart=chart, **place, **watching, **options)

    def _run(self, action: str, *, chart: Path = CHART, **options: Any) -> Any:
        return _shared().run(action, chart=chart, **options)


def _helm4_python() -> Path:
    return component("helm4", "python", on_path=False, made_by="chart-tools")


class _Helm4:
    """The program behind Helm 4, which takes longer to start than to render the chart."""

    def __init__(self) -> None:
        python = _helm4_python()
        self._home = tempfile.TemporaryDirectory()
        environment = {"HOME": self._home.name, "PATH": "/usr/bin:/bin", "GOGC": os.environ["GOGC"]}
        self._program = subprocess.Popen(
            [python, DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._program:
            self._program.kill()
        self._home.cleanup()

    def run(self, action: str, *, chart: Path, **options: Any) -> Any:
        """The result of an action. Raises Refused."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(f"{json.dumps({'action': action, 'chart': str(chart), 'options': options})}\n")
        self._program.stdin.flush()
        answer = json.loads(self._program.stdout.readline())
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]


@cache
def _shared() -> _Helm4:
    """The one that no action on a cluster has gone through."""
    program = _Helm4()
    atexit.register(program.__exit__)
    return program


def changed(values: Values, **overrides: Any) -> dict[str, Any]:
    """Values with others in their place: mappings are merged, all else replaces."""
    merged = dict(values)
    for key, value in overrides.items():
        inner = merged.get(key)
        merged[key] = changed(inner, **value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value inside of a value, with its place."""
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from walk(one, f"{path}.{key}")


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    """The objects of one kind."""
    return [one for one in objects if one["kind"] == kind]


def only(objects: list[Object], kind: str) -> Object:
    """The one object of a kind."""
    (one,) = of_kind(objects, kind)
    return one
