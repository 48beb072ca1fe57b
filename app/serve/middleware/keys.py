"""API keys, and the middleware that asks for one on every path that is not listed as public."""

import hmac
import ipaddress
import re
from functools import lru_cache
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import SetupError
from app.serve.problems import ProblemError, respond

VARIABLE = "SHOPBENCH_API_KEYS"
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
PUBLIC = frozenset(
    {
        "/livez",
        "/health",
        "/readyz",
        "/",
        "/playground.css",
        "/playground.js",
        "/small-file.js",
        "/favicon.svg",
        "/samples.json",
    }
)
"""Exact paths, to read. Whatever else there is, or will be, needs a key once keys are set."""
READING = frozenset({"GET", "HEAD"})
"""Methods that change nothing and have no body."""


CROSS_SITE = ProblemError(
    403, "cross_site", f"without keys, pages of other sites may change nothing here: set {VARIABLE} on the server"
)


class ApiKeys:
    """Keys by name. Only their digests are kept, so that no dump or message can show a key."""

    def __init__(self, digests: dict[str, bytes]) -> None:
        self._digests = digests

    @classmethod
    def parse(cls, text: str) -> "ApiKeys":
        """Keys from `name:key,name:key`; none from an empty text.

        Raises:
            SetupError: a pair that cannot be read, or a name given twice. The message shows no key.
        """
        digests: dict[str, bytes] = {}
        for number, pair in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
            name, separator, key = pair.partition(":")
            if not separator or not NAME.fullmatch(name) or not key or not key.isascii() or " " in key:
                raise SetupError(
                    f"{VARIABLE}: pair {number} is not name:key; names are letters, digits, '.', '_' and '-', "
                    "keys printable ASCII without blanks and commas"
                )
            if name in digests:
                raise SetupError(f"{VARIABLE}: the name {name!r} is given twice; give each key a name of its own")
            digests[name] = _digest(key)
        return cls(digests)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def name_of(self, key: str) -> str | None:
        """Whose key it is, or None. Takes as long for a wrong key as for a right one."""
        digest = _digest(key)
        # Every key is compared: stopping at the first match would tell its place.
        matches = [name for name, known in self._digests.items() if hmac.compare_digest(known, digest)]
        return matches[0] if matches else None


class RequireKey:
    """Closed unless opened."""

    def __init__(self, app: ASGIApp, keys: ApiKeys, *, insecure: bool) -> None:
        self._app = app
        self._keys = keys
        self._insecure = insecure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 401 or 403."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        await (respond(refusal) if refusal else self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ProblemError | None:
        if scope["path"] in PUBLIC and scope.get("method") in READING:
            return None
        if not self._keys:
            if not self._insecure and not _stays_here(scope):
                detail = f"no keys are set, so only this machine is served: set {VARIABLE} on the server"
                return ProblemError(403, "no_keys", detail)
            return None if scope.get("method") in READING or _own_page(scope) else CROSS_SITE
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        name = self._keys.name_of(key.strip()) if scheme.lower() == "bearer" else None
        if name is None:
            detail = "send a key as 'Authorization: Bearer <key>'"
            return ProblemError(401, "no_valid_key", detail, headers={"WWW-Authenticate": "Bearer"})
        scope["shopbench.key"] = name
        return None


@lru_cache(256)
def is_loopback(host: str) -> bool:
    """Whether an address stays on this machine: localhost, 127.0.0.0/8, ::1 or a socket file."""
    if host == "localhost" or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _stays_here(scope: Scope) -> bool:
    """Whether the address that was reached, the one that asks and the name that was asked for are this machine's.

    A page from elsewhere can make its own name point here; the browser then sends that name as Host. A proxy on this
    machine brings others, which uvicorn reads from its X-Forwarded-For.
    """
    reached = (scope.get("server") or ("", None))[0]
    asking = (scope.get("client") or ("localhost", None))[0]
    try:
        named = urlsplit("//" + Headers(scope=scope).get("host", "")).hostname
    except ValueError:
        return False
    return is_loopback(reached) and is_loopback(asking) and (named is None or is_loopback(named))


def _own_page(scope: Scope) -> bool:
    """Whether what is asked comes from no page, from this server's own, or from one of this machine.

    Any page may have a browser send a form here; what tells is only in the headers that the browser adds.
    """
    headers = Headers(scope=scope)
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site in ("same-origin", "none") or (site is None and origin is None):
        return True
    try:
        page = urlsplit(origin or "")
        return site != "cross-site" and (page.netloc == headers.get("host") or is_loopback(page.hostname or ""))
    except ValueError:
        return False


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()
