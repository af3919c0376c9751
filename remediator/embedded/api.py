"""From a request to a response: who may ask, what is asked for, and what is answered.

One rule: nothing here knows sockets, and nothing here changes an object except through the registry.
"""

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from remediator.embedded import document, openapi
from remediator.embedded.discovery import discovery, is_served
from remediator.embedded.failure import ApiFailure, Object, bad_request, no_such_resource, too_new, unauthorized
from remediator.embedded.fields import DELETE_OPTIONS, SCALE
from remediator.embedded.managed_fields import Writer
from remediator.embedded.registry import Preconditions, Registry
from remediator.embedded.request import Address, Options, Request, address, options, verb
from remediator.embedded.scale import scale_of, scaled
from remediator.embedded.schema import Mismatch, decode
from remediator.embedded.selectors import Predicate, field_selector, label_selector
from remediator.embedded.table import table
from remediator.embedded.watch import DEFAULT_SECONDS, Watch, follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is sent back: a JSON body, plain text, or a stream of JSON lines."""

    code: int = 200
    body: Object | str = ""
    stream: Iterator[Object] | None = None
    warnings: list[str] = field(default_factory=list)


class Api:
    """The API over one registry. Without credentials a client is the administrator."""

    def __init__(self, registry: Registry, token: str | None = None) -> None:
        self._registry = registry
        self._token = token

    def handle(self, request: Request) -> tuple[str, Response]:
        """The request's verb and what is answered."""
        done = request.method.lower()
        try:
            self._authenticate(request.headers)
            if (found := self._unversioned(request)) is not None:
                return done, found
            where = address(request.path)
            done = verb(request, where)
            return done, self._answer(done, request, where)
        except ApiFailure as failure:
            return done, Response(code=failure.code, body=failure.status)
        except (Mismatch, RecursionError) as error:
            refusal = bad_request(str(error))
            return done, Response(code=refusal.code, body=refusal.status)

    def _authenticate(self, headers: Mapping[str, str]) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and not (
            self._token and hmac.compare_digest(token.strip().encode(), self._token.encode())
        ):
            raise unauthorized()

    def _unversioned(self, request: Request) -> Response | None:
        if (found := discovery(request.path) or openapi.document(request.path)) is not None:
            return Response(body=found)
        if not is_served(request.path):
            if request.path in ("/healthz", "/livez", "/readyz"):
                return Response(body="ok")
            if request.path == "/":
                return Response(body={"paths": ["/api", "/apis", "/openapi/v3", "/readyz", "/version"]})
            return Response(code=404, body="404 page not found\n")
        return None

    def _answer(self, done: str, request: Request, where: Address) -> Response:
        match done:
            case "get":
                self._check_reached(request)
                return self._shown(request, where, self._read(where))
            case "list":
                return self._list(request, where)
            case "watch":
                return self._watch(request, where)
            case "create":
                return self._create(request, where)
            case "update" | "patch":
                return self._write(done, request, where)
            case _:
                return self._delete(request, where)

    def _read(self, where: Address) -> Object:
        stored = self._registry.get(where.resource, where.namespace, where.name)
        return scale_of(stored) if where.subresource == "scale" else where.resource.read(stored)

    def _check_reached(self, request: Request) -> None:
        wanted, current = request.parameter("resourceVersion"), self._registry.store.version
        if wanted.isdecimal() and int(wanted) > current:
            raise too_new(wanted, current)

    def _shown(self, request: Request, where: Address, item: Object) -> Response:
        if "as=Table" in request.accept and not where.subresource:
            version = item["metadata"]["resourceVersion"]
            include = request.parameter("includeObject")
            return Response(body=table(where.resource.plural, [item], version, include))
        return Response(body=item)

    def _list(self, request: Request, where: Address) -> Response:
        if (limit := request.parameter("limit")) and not limit.isdecimal():
            raise bad_request(f'strconv.ParseInt: parsing "{limit}": invalid syntax')
        self._check_reached(request)
        matches = _selectors(request, where)
        store = self._registry.store
        with store.lock:
            found = store.all(where.resource.stored_as, where.namespace)
            version = str(store.version)
        items = [item for item in found if matches(item)]
        if "as=Table" in request.accept:
            include = request.parameter("includeObject")
            return Response(body=table(where.resource.plural, items, version, include))
        return Response(
            body={
                "kind": f"{where.resource.kind}List",
                "apiVersion": where.resource.api_version,
                "metadata": {"resourceVersion": version},
                "items": [where.resource.read(item) for item in items],
            }
        )

    def _watch(self, request: Request, where: Address) -> Response:
        seconds = request.parameter("timeoutSeconds")

        def show(item: Object) -> Object:
            if "as=Table" in request.accept:
                version = item["metadata"]["resourceVersion"]
                return table(where.resource.plural, [item], version, request.parameter("includeObject"))
            return where.resource.read(item)

        watch = Watch(
            resource=where.resource,
            namespace=where.namespace,
            matches=_selectors(request, where),
            show=show,
            version=request.parameter("resourceVersion"),
            initial=request.parameter("sendInitialEvents") == "true",
            seconds=float(seconds) if seconds.isdecimal() and int(seconds) else DEFAULT_SECONDS,
        )
        return Response(stream=follow(self._registry.store, watch))

    def _create(self, request: Request, where: Address) -> Response:
        how = options(request, "CreateOptions")
        item, warnings = document.whole(request, where.resource, how.field_validation)
        made = self._registry.create(
            where.resource, where.namespace, item, Writer(manager=how.field_manager), dry_run=how.dry_run
        )
        warnings = [*warnings, *where.resource.warn(made)]
        return Response(code=201, body=where.resource.read(made), warnings=warnings)

    def _write(self, done: str, request: Request, where: Address) -> Response:
        if done == "patch":
            document.check_patch_type(request)
        how = options(request, "PatchOptions" if done == "patch" else "UpdateOptions")
        document.check_not_apply(request)
        writer = Writer(manager=how.field_manager, subresource=where.subresource)
        warnings: list[str] = []
        sent: Object = {}
        if done == "update" and where.subresource != "scale":
            sent, warnings = document.whole(request, where.resource, how.field_validation)

        def change(stored: Object) -> Object:
            if where.subresource == "scale":
                return scaled(stored, self._scale(done, request, scale_of(stored), how, warnings))
            if done == "update":
                return sent
            item, doubts = document.patched(
                request, where.resource.shape, where.resource.read(stored), how.field_validation
            )
            warnings.extend(doubts)
            return item

        written = self._registry.update(
            where.resource,
            where.namespace,
            where.name,
            change,
            writer,
            uid=str(sent.get("metadata", {}).get("uid", "")),
            dry_run=how.dry_run,
        )
        if where.subresource == "scale":
            return Response(body=scale_of(written), warnings=warnings)
        warnings.extend(where.resource.warn(written))
        return self._with(warnings, self._shown(request, where, where.resource.read(written)))

    def _scale(self, done: str, request: Request, live: Object, how: Options, warnings: list[str]) -> Object:
        if done == "update":
            found: Any = document.parse(request.body).value
            if not isinstance(found, dict):
                raise bad_request("the object provided is unrecognized (must be of type Scale)")
            return found
        item, doubts = document.patched(request, SCALE, live, how.field_validation)
        warnings.extend(doubts)
        return item

    def _with(self, warnings: list[str], response: Response) -> Response:
        return Response(code=response.code, body=response.body, warnings=warnings)

    def _delete(self, request: Request, where: Address) -> Response:
        body = document.parse(request.body).value if request.body else {}
        if not isinstance(body, dict):
            raise bad_request("the body of the request is not a DeleteOptions")
        how = options(request, "DeleteOptions", body)
        body = decode(DELETE_OPTIONS, body).value
        wanted = body.get("preconditions", {})
        grace = body.get("gracePeriodSeconds")
        if (asked := request.parameter("gracePeriodSeconds")).isdecimal():
            grace = int(asked)
        removed, gone = self._registry.delete(
            where.resource,
            where.namespace,
            where.name,
            Preconditions(uid=wanted.get("uid", ""), version=wanted.get("resourceVersion", "")),
            grace_seconds=grace,
            dry_run=how.dry_run,
        )
        if not gone or where.resource.graceful:
            return Response(body=where.resource.read(removed))
        subject = where.resource.subject(where.name)
        details = subject.details(subject.resource, uid=removed["metadata"]["uid"])
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return Response(body={**status, "details": details})


def _selectors(request: Request, where: Address) -> Predicate:
    labels = label_selector(request.parameter("labelSelector"))
    fields = field_selector(request.parameter("fieldSelector"), where.resource.plural)
    if where.name:
        raise no_such_resource()
    return lambda item: labels(item) and fields(item)
