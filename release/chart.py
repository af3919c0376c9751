"""The chart as Helm packages it, and as an OCI image layout, for registries.

The rule of this file: Helm says what is in the package, but not when; the layout is what `helm push` would upload.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from release.archives import tar, untar, zipped

CONFIG = "application/vnd.cncf.helm.config.v1+json"
CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def find_helm() -> Path:
    """Helm: $HELM, the one on PATH, or the one that `make control-plane` has built. Raises SystemExit."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "remediator" / "components"
    components = Path(os.environ.get("REMEDIATOR_COMPONENTS", cache))
    found = os.environ.get("HELM") or shutil.which("helm") or next(components.glob("control-plane-*/helm"), None)
    if not found:
        raise SystemExit("the chart needs helm: install it, set HELM, or run `make control-plane`")
    return Path(found)


def package_chart(tree: Path, time: int) -> tuple[str, bytes]:
    """The chart's package, and its name."""
    with tempfile.TemporaryDirectory() as directory:
        package: list[str | Path] = [find_helm(), "package", tree / "helm" / "remediator", f"--destination={directory}"]
        subprocess.run(package, check=True, stdout=subprocess.DEVNULL)
        (made,) = Path(directory).glob("*.tgz")
        return made.name, zipped(tar(untar(made), time))


def chart_layout(name: str, package: bytes, time: int) -> bytes:
    """The package as a tar archive of an OCI image layout, tagged with its version."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / name
        path.write_bytes(package)
        chart = yaml.safe_load(untar(path)["remediator/Chart.yaml"])
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"})}

    def add(media_type: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        files[f"blobs/sha256/{digest}"] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    annotations = {
        "org.opencontainers.image.title": chart["name"],
        "org.opencontainers.image.version": chart["version"],
        "org.opencontainers.image.description": chart["description"],
        "org.opencontainers.image.url": chart["home"],
        "org.opencontainers.image.created": datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z"),
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": add(CONFIG, _json(chart)),
        "layers": [add(CONTENT, package)],
        "annotations": annotations,
    }
    tagged = {**add(MANIFEST, _json(manifest)), "annotations": {"org.opencontainers.image.ref.name": chart["version"]}}
    files["index.json"] = _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [tagged]})
    return tar(files, time)


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
