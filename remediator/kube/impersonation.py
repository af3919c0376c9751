"""Whom a request is made as, other than the owner of its credentials: the headers that client-go sends for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

_LEGAL = "!#$&'*+-.^_`|~"
"""What a header's name may hold beside letters and digits. `%` is escaped as well: the API server decodes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impersonation:
    """A user, with groups and the like, in whose name requests are made; without a user, none."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    alone: bool = False
    """Whether what the kubeconfig says of groups and the like does not go with it."""

    def __bool__(self) -> bool:
        return bool(self.user or self.uid or self.groups or self.extra)

    def overridden_by(self, other: "Impersonation") -> "Impersonation":
        """What is given on the command line takes the place of what the kubeconfig says, one by one, or of all."""
        if other.alone:
            return other
        return replace(
            self,
            user=other.user or self.user,
            uid=other.uid or self.uid,
            groups=other.groups or self.groups,
            extra={**self.extra, **other.extra},
        )

    def headers(self) -> Iterator[tuple[str, str]]:
        """The headers as http.client takes them; some names come several times."""
        for name, value in self._headers():
            # As from Go, text goes as UTF-8; what http.client takes is Latin-1.
            yield name, value.encode().decode("latin-1")

    def _headers(self) -> Iterator[tuple[str, str]]:
        if not self:
            return
        yield "Impersonate-User", self.user
        if self.uid:
            yield "Impersonate-Uid", self.uid
        for group in self.groups:
            yield "Impersonate-Group", group
        for key, values in self.extra.items():
            for value in values:
                yield f"Impersonate-Extra-{quote(key, safe=_LEGAL)}", value


NO_IMPERSONATION = Impersonation()
