"""The client of the API, with the standard library alone. Answers that are no success become the errors of `flyball.errors`.

Where the server is: --url, else FLYBALL_URL, else `<state>/address`. With which key: FLYBALL_TOKEN, else `<state>/keys/admin`.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from flyball.errors import BadInput, Denied, Moved, NotFound, NotReady, ProofFailed, SignInNeeded, TooLarge, Unreachable, UserError

if TYPE_CHECKING:
    from flyball.faces.cli.desk import Desk

TIMEOUT_S = 60.0
ERRORS: dict[int, type[UserError]] = {
    400: BadInput,
    401: SignInNeeded,
    403: Denied,
    404: NotFound,
    405: NotFound,
    409: Moved,
    413: TooLarge,
    422: BadInput,
    500: ProofFailed,
    503: NotReady,
}
OK, ENDS = 200, 300


def connect(desk: Desk) -> Api:
    """Give the client for a desk. Raises BadInput, NotFound, SignInNeeded or Unreachable where address or key are not known."""
    url, start = desk.url or desk.settings.url, f"flyball up --project {desk.project}"
    if not url:
        try:
            url = f"http://{(desk.state / 'address').read_text().strip()}"
        except OSError:
            raise Unreachable(f"no server runs on {desk.project.absolute()}", "its state holds no address", start) from None
    token, origin = desk.settings.token, "FLYBALL_TOKEN"
    if not token:
        path = desk.state / "keys" / "admin"
        origin = str(path)
        try:
            token = path.read_text().strip()
        except OSError as fault:
            raise SignInNeeded(
                "there is no key to sign in with",
                f"FLYBALL_TOKEN is not set, and {path} cannot be read: {fault.strerror}",
                "ask an admin for a key (flyball keys create) and put it into FLYBALL_TOKEN",
            ) from None
    return Api(url, token, origin, start)


class Api:
    """One server with one key. `now` is the server's clock at its last answer, Unix seconds; `patience_s` is how long it may take."""

    def __init__(self, url: str, token: str, origin: str, start: str) -> None:
        """Keep the address and the key. Raises BadInput for an address that is none, or a key that no header can carry."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(f"{url!r} is no address of a server", "it begins with http:// or https://", "mend --url or FLYBALL_URL")
        if not token.isascii() or not token.isprintable():
            raise BadInput(f"the key in {origin} is malformed", "a key is one line of letters, digits and underscores", "copy it again")
        self.url = url.rstrip("/")
        self.now = 0.0
        self.patience_s = TIMEOUT_S
        self._token, self._origin, self._start = token, origin, start

    def get(self, path: str, **query: Any) -> Any:
        """GET a document; empty values of the query are left out."""
        said = {name: value for name, value in query.items() if value not in ("", None)}
        return self.call("GET", f"{path}?{urlencode(said)}" if said else path)

    def post(self, path: str, doc: Any = None) -> Any:
        """POST a JSON document (or raw bytes) and give the answer."""
        return self.call("POST", path, doc if isinstance(doc, bytes) else json.dumps(doc or {}).encode())

    def delete(self, path: str, doc: Any = None) -> Any:
        """DELETE, with a JSON document, and give the answer."""
        return self.call("DELETE", path, json.dumps(doc or {}).encode())

    def call(self, method: str, path: str, body: bytes | None = None) -> Any:
        """Send one call. Gives the parsed JSON, or the text where it is none. Raises UserError."""
        line, answer = self._send(method, path, body)
        try:
            raw = answer.read()
        except (OSError, http.client.HTTPException) as fault:
            raise self._lost(fault) from fault
        finally:
            line.close()
        with suppress(TypeError, ValueError):
            self.now = parsedate_to_datetime(answer.headers["date"]).timestamp()
        kind = answer.headers.get("content-type", "")
        doc: Any = raw.decode("utf-8", "replace")
        if kind.startswith("application/json"):
            with suppress(ValueError):
                doc = json.loads(raw)
        if OK <= answer.status < ENDS:
            return doc
        raise self._refused(answer.status, doc, path)

    def pointers(self) -> Iterator[int]:
        """Follow the server's events: one log size after another, the first at once. Raises Unreachable when it ends."""
        line, answer = self._send("GET", "/v1/events", None)
        try:
            if answer.status != OK:
                raise self._refused(answer.status, answer.read().decode("utf-8", "replace"), "/v1/events")
            while raw := answer.readline():
                if raw.startswith(b"id:"):
                    yield int(raw[3:])
        except (OSError, http.client.HTTPException) as fault:
            raise self._lost(fault) from fault
        finally:
            line.close()
        raise Unreachable(f"the server at {self.url} has ended", "the stream of events was closed", self._start)

    def _send(self, method: str, path: str, body: bytes | None) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        parts = urlsplit(self.url)
        cls = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        try:
            line = cls(parts.hostname or "", parts.port, timeout=self.patience_s)
            line.request(method, parts.path + path, body, headers | ({"Content-Type": "application/json"} if body else {}))
            return line, line.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as fault:
            raise self._lost(fault) from fault

    def _lost(self, fault: Exception) -> Unreachable:
        if isinstance(fault, TimeoutError):
            return Unreachable(f"the server at {self.url} did not answer in time", f"{self.patience_s:.0f} s have passed", "flyball doctor")
        if isinstance(fault, socket.gaierror):
            return Unreachable(f"no server answers at {self.url}", "the name of the host is not known", "mend --url or FLYBALL_URL")
        why = fault.strerror if isinstance(fault, OSError) and fault.strerror else f"{type(fault).__name__} {fault}".strip()
        return Unreachable(f"no server answers at {self.url}", why[:1].lower() + why[1:], f"{self._start}, or name another with --url")

    def _refused(self, status: int, doc: Any, path: str) -> UserError:
        cls = ERRORS.get(status, UserError)
        if status == SignInNeeded.status:
            return SignInNeeded(
                f"the server at {self.url} wants a sign-in",
                f"the key in {self._origin} does not count: it has expired, was revoked or belongs to another server",
                "ask an admin for a key (flyball keys create) and put it into FLYBALL_TOKEN",
            )
        if isinstance(doc, dict) and "what" in doc:
            return cls(str(doc["what"]), str(doc.get("why", "")), str(doc.get("fix", "")))
        if cls is NotFound:
            return NotFound(
                f"the server does not know {path}", "it is older or newer than this program", "flyball status shows its version"
            )
        return cls(f"the server answered {status}", str(doc)[:200].strip(), "flyball doctor")


def part(name: str) -> str:
    """Give a name as one part of a path."""
    return quote(name, safe="")
