"""The policy port on an OPA that the user runs: one POST to `/v1/data/<path>` for each decision. Made by `compose`.

The event loop waits for every answer: at most `timeout_s` from end to end, connecting included, however slowly something arrives. After
`MOST_LATE` calls in a row that took longer, OPA counts as not ready, and questions are denied without asking until `refresh` finds it well.

Whatever is not one well-formed answer in time is a denial. The digest comes from what OPA says of itself: the revisions of its bundles,
which every answer carries (`?provenance=true`), or the text of its modules where it has no bundles. While OPA has no policies, or is not
healthy, `count` is 0: the server is not ready. https://www.openpolicyagent.org/docs/rest-api
"""

import hashlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final
from urllib.parse import quote, urlsplit

import orjson

from flyball.backends.policy_answer import ENTRYPOINT, INPUT_SCHEMA, Asked, PolicyError, Questions, denied, parse
from flyball.backends.policy_kept import Kept
from flyball.model.ids import Doc
from flyball.model.policy import PolicyAnswer

TIMEOUT_S: Final = 0.1
MOST_LATE: Final = 3
LARGEST: Final = 4 * 1024 * 1024  # bytes of an answer
OK: Final = 200
_LOST = (OSError, http.client.HTTPException)


class OpaFault(Exception):
    """OPA gave no answer that can be used; the text says why."""


class OpaPolicy:
    """Asks an OPA; meets the port `Policy`.

    Attributes:
        digest: `sha256:` and 64 hexadecimal digits over the revisions of the bundles, else over the modules; and the input's schema.
        count: how many modules OPA has; 0 = it is not ready.
        fault: why it is not ready, or nothing.
    """

    def __init__(
        self, url: str, *, path: str = ENTRYPOINT, token: str = "", timeout_s: float = TIMEOUT_S, kept: Kept | None = None
    ) -> None:
        """Keep the address. Raises PolicyError for one that is none. Nothing is asked before `refresh`."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise PolicyError(f"{url!r} is no address of an OPA", "it begins with http:// or https://", "mend policy.url in flyball.yaml")
        self.digest, self.count, self.fault = "", 0, "OPA was not asked yet"
        self._path, self.kept = path, kept
        self._line = _Line(url, token, timeout_s)
        self._questions = Questions()
        self._schema = INPUT_SCHEMA.read_bytes()
        self._modules = b""
        self._late = 0

    def ask(self, question: Doc) -> PolicyAnswer:
        """One decision on one input. Never raises: any fault is a denial that says which."""
        if self.count < 1:
            return denied("policy.missing", f"no policies are loaded: {self.fault}")
        asked = self._questions.check(question)
        if isinstance(asked, PolicyAnswer):
            return asked
        answer = self._ask(asked)
        if self.kept is not None:
            self.kept.add(asked, answer, self.digest)
        return answer

    def _ask(self, asked: Asked) -> PolicyAnswer:
        try:
            doc = self._line.call("POST", f"/v1/data/{quote(self._path)}?provenance=true", b'{"input":' + asked.raw + b"}")
        except TimeoutError:
            return self._too_late()
        except OpaFault as fault:
            return denied("policy.error", f"the engine failed: {fault}")
        self._late = 0
        if "result" not in doc:
            return denied("policy.error", "the engine failed: the answer is undefined")
        if revisions := _revisions(doc.get("provenance")):
            self.digest = self._digest(revisions)
        return parse(doc["result"], str(doc.get("decision_id") or asked.id)[:128])

    def _too_late(self) -> PolicyAnswer:
        self._late += 1
        why = f"no answer within {self._line.timeout_s * 1000:.0f} ms"
        if self._late >= MOST_LATE:
            self.count, self.fault, self._late = 0, f"{why}, {MOST_LATE} times in a row", 0
        return denied("policy.timeout", why)

    def refresh(self) -> None:
        """Ask OPA whether it is healthy and what it has loaded. Never raises: `fault` says what is wrong."""
        try:
            self._line.call("GET", "/health?bundles")
            found = self._line.call("GET", "/v1/policies").get("result")
            bundles = self._line.call("GET", f"/v1/data/{quote(self._path)}?provenance=true").get("provenance")
            self._learn(found if isinstance(found, list) else [], bundles)
        except TimeoutError:
            self.count, self.fault = 0, f"no answer within {self._line.timeout_s * 1000:.0f} ms"
        except OpaFault as fault:
            self.count, self.fault = 0, str(fault)

    def _learn(self, modules: list[Any], provenance: Any) -> None:
        texts = sorted((str(one.get("id")), str(one.get("raw"))) for one in modules if isinstance(one, Mapping))
        self._modules = orjson.dumps(texts)
        self.digest = self._digest(_revisions(provenance))
        self.count, self.fault = len(texts), "" if texts else "0 policies are loaded in OPA"

    def _digest(self, revisions: Mapping[str, str]) -> str:
        body = orjson.dumps(revisions, option=orjson.OPT_SORT_KEYS) if revisions else self._modules
        return f"sha256:{hashlib.sha256(b'|'.join((self._path.encode(), body, self._schema))).hexdigest()}"

    def close(self) -> None:
        """Hang up, and let go of what was kept."""
        self._line.close()
        if self.kept is not None:
            self.kept.close()


def _revisions(provenance: Any) -> dict[str, str]:
    """The revision of each bundle, as far as OPA says any."""
    bundles = provenance.get("bundles") if isinstance(provenance, Mapping) else None
    found = bundles.items() if isinstance(bundles, Mapping) else ()
    return {str(name): str(one["revision"]) for name, one in found if isinstance(one, Mapping) and one.get("revision")}


_Todo = tuple[str, str, bytes, "Future[dict[str, Any]]"] | None


class _Worker:
    """A thread's work, and the socket that it waits on; `end` may come from another thread, at any moment."""

    def __init__(self) -> None:
        self.todo: SimpleQueue[_Todo] = SimpleQueue()
        self._sock: socket.socket | None = None
        self._over = False

    def end(self) -> None:
        """Break off what runs."""
        self._over = True
        self.todo.put(None)
        self._shut()

    def on(self, sock: socket.socket) -> None:
        """Wait on this socket from now on. It is kept here because an answer that ends its connection takes it away from there."""
        self._sock = sock
        if self._over:  # it ended while it was connected
            self._shut()

    def _shut(self) -> None:
        if self._sock is not None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)


class _Line:
    """One connection that is kept alive, used by one thread: a call has one time limit from end to end, whatever the other side does."""

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._parts = urlsplit(url.rstrip("/"))
        self._tls = ssl.create_default_context() if self._parts.scheme == "https" else None
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._worker: _Worker | None = None

    def call(self, method: str, path: str, body: bytes = b"") -> dict[str, Any]:
        """Give the answer's object. Raises TimeoutError or OpaFault."""
        if self._worker is None:
            self._worker = _Worker()
            threading.Thread(target=self._work, args=(self._worker,), name="flyball-opa", daemon=True).start()
        future: Future[dict[str, Any]] = Future()
        self._worker.todo.put((method, path, body, future))
        try:
            return future.result(self.timeout_s)
        except TimeoutError:
            self.close()
            raise

    def close(self) -> None:
        """Break off what runs; the next call opens anew."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def _work(self, worker: _Worker) -> None:
        host, port = self._parts.hostname or "", self._parts.port
        if self._tls is not None:
            held: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=self.timeout_s, context=self._tls)
        else:
            held = http.client.HTTPConnection(host, port, timeout=self.timeout_s)
        while (asked := worker.todo.get()) is not None:
            method, path, body, future = asked
            fresh = held.sock is None
            try:
                try:
                    future.set_result(self._exchange(held, worker, (method, path, body)))
                except _LOST:
                    if fresh:
                        raise
                    held.close()  # it was kept alive too long: once more on a new one
                    future.set_result(self._exchange(held, worker, (method, path, body)))
            except _LOST as fault:
                held.close()
                why = fault.strerror if isinstance(fault, OSError) and fault.strerror else f"{type(fault).__name__} {fault}"
                # Its own time may be up a moment before that of who waits: that is late all the same.
                future.set_exception(fault if isinstance(fault, TimeoutError) else OpaFault(f"OPA does not answer: {why}".strip()))
            except OpaFault as fault:
                future.set_exception(fault)
        held.close()

    def _exchange(self, held: http.client.HTTPConnection, worker: _Worker, asked: tuple[str, str, bytes]) -> dict[str, Any]:
        method, path, body = asked
        fresh = held.sock is None
        if fresh:
            held.connect()
            worker.on(held.sock)
        held.request(method, self._parts.path + path, body or None, self._headers)
        answer = held.getresponse()
        raw = answer.read(LARGEST + 1)
        if len(raw) > LARGEST:
            held.close()
            raise OpaFault(f"its answer has more than {LARGEST} bytes")
        if answer.length:
            held.close()
            raise OpaFault("its answer broke off")
        try:
            doc = orjson.loads(raw or b"{}")
        except ValueError as fault:
            raise OpaFault(f"its answer ({answer.status}) is no JSON") from fault
        if answer.status != OK:
            said = doc.get("message") if isinstance(doc, dict) else ""
            raise OpaFault(f"it answered {answer.status}{f': {said}' if said else ''}"[:200])
        if not isinstance(doc, dict):
            raise OpaFault("its answer is no object")
        return doc
