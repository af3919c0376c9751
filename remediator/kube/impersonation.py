"""Impersonation: the headers by which client-go makes requests as another user."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

_LEGAL = "!#$&'*+-.^_`|~"
"""Characters allowed in a header's name besides letters and digits; `%` is escaped: the API server decodes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impersonation:
    """The user to impersonate, with groups, UID and extra fields; without a user there is no impersonation."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    alone: bool = False
    """Whether the kubeconfig's groups, UID and extra fields are ignored."""

    def __bool__(self) -> bool:
        return bool(self.user or self.uid or self.groups or self.extra)

    def overridden_by(self, other: "Impersonation") -> "Impersonation":
        """Override the kubeconfig's values with those of the command line, one by one, or all of them."""
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
        """The headers for http.client; names may be repeated."""
        for name, value in self._headers():
            # Go sends UTF-8; http.client encodes as Latin-1.
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
