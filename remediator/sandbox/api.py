"""Handles requests: authenticates, finds the resource, and builds the response.

One rule: no sockets here, and objects are only changed through the registry.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from remediator.sandbox.discovery import discovery, is_served
from remediator.sandbox.document import check_patch_type, parse, patched, whole
from remediator.sandbox.failure import ApiFailure, Object, bad_request, too_large, unauthorized
from remediator.sandbox.fields import SCALE
from remediator.sandbox.managed_fields import Writer
from remediator.sandbox.registry import Registry
from remediator.sandbox.request import Address, Request, address, options, verb
from remediator.sandbox.scale import scale_of, scaled
from remediator.sandbox.schema import decode
from remediator.sandbox.selectors import Predicate, field_selector, label_selector
from remediator.sandbox.watch import DEFAULT_SECONDS, Watch, follow

BODY_LIMIT = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response: a JSON body, plain text, or a stream of JSON lines."""

    code: int = 200
    body: Object | str = ""
    stream: Iterator[Object] | None = None
    warnings: list[str] = field(default_factory=list)


class Api:
    """The API over one registry. There are no users: a client without credentials is the administrator."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def handle(self, request: Request) -> tuple[str, Response]:
        """The request's verb, and the response."""
        done = request.method.lower()
        try:
            if request.headers.get("authorization"):
                raise unauthorized()
            if len(request.body) > BODY_LIMIT:
                raise too_large(BODY_LIMIT)
            if (found := _unversioned(request.path)) is not None:
                return done, found
            where = address(request.path)
            done = verb(request, where)
            return done, self._answer(done, request, where)
        except (ApiFailure, ValueError, RecursionError) as error:
            failure = error if isinstance(error, ApiFailure) else bad_request(str(error))
            return done, Response(code=failure.code, body=failure.status)

    def _answer(self, done: str, request: Request, where: Address) -> Response:
        match done:
            case "get":
                stored = self._registry.get(where.resource, where.namespace, where.name)
                return Response(body=_shown(stored, where))
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

    def _list(self, request: Request, where: Address) -> Response:
        matches = _selectors(request, where)
        store = self._registry.store
        with store.lock:
            found = store.all(where.resource.stored_as, where.namespace)
            version = str(store.version)
        items = [where.resource.read(item) for item in found if matches(item)]
        kind = {"kind": f"{where.resource.kind}List", "apiVersion": where.resource.api_version}
        return Response(body={**kind, "metadata": {"resourceVersion": version}, "items": items})

    def _watch(self, request: Request, where: Address) -> Response:
        watch = Watch(
            resource=where.resource,
            namespace=where.namespace,
            matches=_selectors(request, where),
            after=int(request.parameter("resourceVersion") or 0),
            initial=request.parameter("sendInitialEvents") == "true",
            seconds=float(request.parameter("timeoutSeconds") or DEFAULT_SECONDS),
        )
        return Response(stream=follow(self._registry.store, watch))

    def _create(self, request: Request, where: Address) -> Response:
        how = options(request, "CreateOptions")
        item, warnings = whole(request, where.resource, how.field_validation)
        writer = Writer(manager=how.field_manager)
        made = self._registry.create(where.resource, where.namespace, item, writer, dry_run=how.dry_run)
        return Response(code=201, body=where.resource.read(made), warnings=warnings)

    def _write(self, done: str, request: Request, where: Address) -> Response:
        if done == "patch":
            check_patch_type(request)
        how = options(request, "PatchOptions" if done == "patch" else "UpdateOptions")
        warnings: list[str] = []

        def change(stored: Object) -> Object:
            shape = SCALE if where.subresource == "scale" else where.resource.shape
            if done == "patch":
                item, doubts = patched(request, shape, _shown(stored, where), how.field_validation)
            elif where.subresource == "scale":
                item, doubts = decode(SCALE, parse(request.body, "Scale")).value, []
            else:
                item, doubts = whole(request, where.resource, how.field_validation)
            warnings.extend(doubts)
            return scaled(stored, item) if where.subresource == "scale" else item

        writer = Writer(manager=how.field_manager, subresource=where.subresource)
        written = self._registry.update(
            where.resource, where.namespace, where.name, change, writer, dry_run=how.dry_run
        )
        return Response(body=_shown(written, where), warnings=warnings)

    def _delete(self, request: Request, where: Address) -> Response:
        # For deletes kubectl sends dryRun in the body.
        body = parse(request.body, "DeleteOptions") if request.body else {}
        removed = self._registry.delete(
            where.resource,
            where.namespace,
            where.name,
            preconditions=body.get("preconditions"),
            dry_run=options(request, "DeleteOptions").dry_run or bool(body.get("dryRun")),
        )
        details = where.resource.subject(where.name).details(uid=removed["metadata"]["uid"])
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return Response(body={**status, "details": details})


def _unversioned(path: str) -> Response | None:
    if (found := discovery(path)) is not None:
        return Response(body=found)
    if is_served(path):
        return None
    if path in ("/healthz", "/livez", "/readyz"):
        return Response(body="ok")
    return Response(code=404, body="404 page not found\n")


def _shown(stored: Object, where: Address) -> Object:
    return scale_of(stored) if where.subresource == "scale" else where.resource.read(stored)


def _selectors(request: Request, where: Address) -> Predicate:
    labels = label_selector(request.parameter("labelSelector"))
    fields = field_selector(request.parameter("fieldSelector"), where.resource.plural)
    return lambda item: labels(item) and fields(item)
