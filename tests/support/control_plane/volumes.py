"""What a kubelet brings into a Pod: the content of its volumes, laid out and exchanged as a kubelet does it."""

import base64
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.contract.client import Client

Object = Mapping[str, Any]


class Volumes:
    """The volumes of one Pod, each in a folder of its own; files belong to the Pod's fsGroup."""

    def __init__(self, api: Client, pod: Object, directory: Path) -> None:
        self._api = api
        self._namespace = pod["metadata"]["namespace"]
        self._account = pod["spec"]["serviceAccountName"]
        self._specs = {one["name"]: one for one in pod["spec"]["volumes"]}
        self._group = int(pod["spec"]["securityContext"]["fsGroup"])
        self._directory = directory
        self._held: dict[str, Mapping[str, bytes]] = {}
        self._token = b""

    def folder(self, name: str) -> Path:
        """Where a volume is."""
        return self._directory / name

    def bring(self) -> None:
        """Bring what is new. A container sees the old files of a volume or the new ones, never some of both.

        What is no longer there stays as it was in a Pod that has it; raises LookupError where a new Pod needs it.
        """
        for name, spec in self._specs.items():
            try:
                files = dict(self._files(spec))
            except LookupError:
                if name not in self._held:
                    raise
                continue
            if self._held.get(name) != files:
                self._write(self.folder(name), files, self._mode(spec))
                self._held[name] = files

    def _write(self, folder: Path, files: Mapping[str, bytes], mode: int) -> None:
        content, fresh = folder / f"..{uuid.uuid4().hex[:8]}", folder / "..data_tmp"
        content.mkdir(parents=True)
        for name, text in files.items():
            path = content / name
            path.write_bytes(text)
            path.chmod(mode)
            os.chown(path, 0, self._group)
        fresh.symlink_to(content.name)
        fresh.rename(folder / "..data")
        for entry in folder.iterdir():
            if entry.is_symlink() and entry.name not in {"..data", *files}:
                entry.unlink()
            elif entry.is_dir() and not entry.is_symlink() and entry != content:
                shutil.rmtree(entry)
        for name in files:
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(f"..data/{name}")

    def _mode(self, spec: Object) -> int:
        (source,) = (source for kind, source in spec.items() if kind != "name")
        # With an fsGroup, a kubelet lets the group read what the owner may read.
        return int(source.get("defaultMode", 0o644)) | 0o040

    def _files(self, spec: Object) -> Iterator[tuple[str, bytes]]:
        match spec:
            case {"projected": {"sources": sources}}:
                for source in sources:
                    yield from self._files(source)
            case {"serviceAccountToken": {"path": path, "expirationSeconds": seconds}}:
                self._token = self._token or self._request_token(seconds)
                yield path, self._token
            case {"downwardAPI": {"items": [{"path": path, "fieldRef": {"fieldPath": "metadata.namespace"}}]}}:
                yield path, self._namespace.encode()
            case {"configMap": {"name": name} as source}:
                data = self._data("configmaps", name)
                yield from _chosen({key: text.encode() for key, text in data.items()}, source)
            case {"secret": {"secretName": name} as source}:
                data = self._data("secrets", name)
                yield from _chosen({key: base64.b64decode(text) for key, text in data.items()}, source)
            case _:
                raise NotImplementedError(f"this kubelet has no such volume: {spec}")

    def _data(self, kind: str, name: str) -> Mapping[str, str]:
        answer = self._api.get(f"/api/v1/namespaces/{self._namespace}/{kind}/{name}")
        if answer.code == HTTPStatus.NOT_FOUND:
            raise LookupError(answer.message)
        assert answer.code == HTTPStatus.OK, answer
        data: Mapping[str, str] = answer.body["data"]
        return data

    def _request_token(self, seconds: int) -> bytes:
        path = f"/api/v1/namespaces/{self._namespace}/serviceaccounts/{self._account}/token"
        answer = self._api.post(path, {"spec": {"expirationSeconds": seconds}})
        assert answer.code == HTTPStatus.CREATED, answer
        return str(answer.body["status"]["token"]).encode()


def _chosen(files: Mapping[str, bytes], source: Object) -> Iterator[tuple[str, bytes]]:
    if "items" not in source:
        yield from files.items()
    for item in source.get("items", []):
        yield item["path"], files[item["key"]]
