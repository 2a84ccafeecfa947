"""JSON Web Tokens (RFC 7519): read, checked, checked in full with constraints, and signed.

An operand that is no token, key or constraint is a fault; a token that does not hold is an answer (`false`). Words of faults are OPA's.
"""

import base64
from dataclasses import dataclass
from typing import Any, Final

from flyball.rego.builtin.desk import World, builtin, mistyped
from flyball.rego.builtin.json import marshal
from flyball.rego.decode import blame, loaded, octets, url
from flyball.rego.jose.key import Trusted, first, trusted
from flyball.rego.jose.signature import ALGORITHMS, signed, verified
from flyball.rego.type import BOOLEAN, OBJECT, STRING, array
from flyball.rego.value import UNDEFINED, Value

_NS: Final = 1_000_000_000
_PARTS: Final = 3  # header, payload, signature
_TEXTS: Final = ("alg", "kid", "typ", "cty")  # members of a header that are strings


@dataclass(frozen=True, slots=True)
class Token:
    """The three parts of a token, still encoded."""

    header: str
    payload: str
    signature: str

    @property
    def message(self) -> bytes:
        """What was signed."""
        return octets(f"{self.header}.{self.payload}")


def _split(text: str) -> Token:
    parts = text.split(".")
    if len(parts) == 1:
        raise ValueError("encoded JWT had no period separators")
    if len(parts) != _PARTS:
        raise ValueError(f"encoded JWT must have 3 sections, found {len(parts)}")
    return Token(*parts)


def _part(what: str, text: str) -> bytes:
    try:
        return url(text)
    except ValueError as flaw:
        raise ValueError(f"JWT {what} had invalid encoding: {flaw}") from None


def _object(raw: bytes) -> dict[str, Value]:
    try:
        held = loaded(raw.decode(errors="replace"))
    except ValueError as flaw:
        raise ValueError(f"invalid JSON: {flaw}") from None
    if type(held) is not dict:
        raise ValueError("decoded JSON type was not an Object")
    return held


def _header(token: Token) -> dict[str, Value]:
    raw = _part("header", token.header)
    try:
        header = _object(raw)
    except ValueError as flaw:
        raise ValueError(f"bad JWT header: {flaw}") from None
    if "enc" in header:
        raise ValueError("JWT is a JWE object, which is not supported")
    return header


def _fit(header: dict[str, Value]) -> dict[str, Value]:
    """The header, if its members are what RFC 7515 says they are."""
    for name in _TEXTS:
        if type(header.get(name, "")) is not str:
            raise ValueError(f"{name}: must be a string")
    if "crit" in header:
        critical = header["crit"]
        if type(critical) is not list:
            raise ValueError("crit: must be a list")
        if not all(type(one) is str for one in critical):
            raise ValueError("crit: must be a list of strings")
        if not critical:
            raise ValueError("crit: must be a nonempty list")
    return header


def _is_understood(header: dict[str, Value]) -> bool:
    """RFC 7515, 4.1.1 and 4.1.11: it says its algorithm, and nothing that is critical is unknown here."""
    known = {*_TEXTS, "crit"}
    return header.get("alg", "") != "" and all(name in known or name not in header for name in header.get("crit", ()))


@builtin("io.jwt.decode", (STRING,), array(OBJECT, OBJECT, STRING))
def decode(text: Any) -> list[Value]:
    """Header, payload and signature (hexadecimal) of a token; nothing is checked. A token within a token is opened."""
    if type(text) is not str:
        raise mistyped("io.jwt.decode", text)
    with blame("io.jwt.decode"):
        while True:
            token = _split(text)
            header = _header(token)
            payload = _part("payload", token.payload)
            content = header.get("cty", "")
            if type(content) is not str:
                raise ValueError("cty: must be a string")
            if content != "JWT":
                return [header, _object(payload), _part("signature", token.signature).hex()]
            text = payload.decode(errors="replace").strip("\"'")


def _candidates(header: dict[str, Value], keys: tuple[Trusted, ...]) -> list[Trusted]:
    """The keys that may have signed: the one that the header names, otherwise all but those of another algorithm."""
    alg, kid = header.get("alg", ""), header.get("kid", "")
    named = [key for key in keys if kid and key.kid == kid]
    usable = [key for key in keys if key.alg in ALGORITHMS or not key.alg]
    return [key for key in named if key in usable][:1] or [key for key in usable if key.alg in {"", alg}]


def _declare(alg: str) -> None:
    name = f"io.jwt.verify_{alg.lower()}"

    @builtin(name, (STRING, STRING), BOOLEAN)
    def verify(text: Any, keys: Any) -> bool:
        """Whether one of the keys (PEM certificate or public key, JWK or set of JWK) signed the token by this algorithm."""
        if type(text) is not str or type(keys) is not str:
            raise mistyped(name, text, keys)
        with blame(name):
            token = _split(text)
            known = trusted(keys)
            signature = url(token.signature)
            header = _fit(_header(token))
            message = token.message
            return any(verified(alg, key.material, message, signature) for key in _candidates(header, known))


def _declare_shared(alg: str) -> None:
    name = f"io.jwt.verify_{alg.lower()}"

    @builtin(name, (STRING, STRING), BOOLEAN)
    def verify(text: Any, secret: Any) -> bool:
        """Whether the secret made the token's code by this algorithm."""
        if type(text) is not str or type(secret) is not str:
            raise mistyped(name, text, secret)
        with blame(name):
            token = _split(text)
            return verified(alg, octets(secret), token.message, url(token.signature))


for _alg in sorted(ALGORITHMS):
    (_declare_shared if _alg.startswith("HS") else _declare)(_alg)


@dataclass(slots=True)
class Constraints:
    """What a token has to fulfil, from the second operand of `decode_verify`. Empty texts ask for nothing; `time` is in nanoseconds."""

    keys: tuple[Trusted, ...] | None = None
    secret: str = ""
    alg: str = ""
    iss: str = ""
    aud: str = ""
    time: float = -1.0

    def candidates(self, header: dict[str, Value]) -> list[Trusted]:
        """The keys that may have signed."""
        return [Trusted(octets(self.secret))] if self.keys is None else _candidates(header, self.keys)


def _constraints(asked: dict[Any, Value], now_ns: int) -> Constraints:
    held = Constraints()
    for name, value in asked.items():
        if name == "time":
            held.time = _time(value)
        elif name not in {"cert", "secret", "alg", "iss", "aud"}:
            raise ValueError(f"unknown token validation constraint: {name}")
        elif type(value) is not str:
            raise ValueError(f"{name} constraint: must be a string")
        elif name == "cert":
            held.keys = trusted(value)
        else:
            setattr(held, name, value)
    if held.keys is not None and held.secret:
        raise ValueError("duplicate key constraints")
    if held.keys is None and not held.secret:
        raise ValueError("no key constraint")
    if held.time < 0:
        held.time = _time(now_ns)
    return held


def _time(value: Value) -> float:
    if not _is_number(value):
        raise ValueError("token time constraint: must be a number")
    try:
        time = float(value)
    except OverflowError:
        raise ValueError("token time constraint: invalid float64") from None
    if time < 0:
        raise ValueError("token time constraint: must not be negative")
    return time


def _is_number(value: Value) -> bool:
    return type(value) is int or type(value) is float


@builtin("io.jwt.decode_verify", (STRING, OBJECT), array(BOOLEAN, OBJECT, OBJECT), worldly=True)
def decode_verify(world: World, text: Any, asked: Any) -> list[Value]:
    """Whether a token holds, its header and its payload; both are empty unless it does.

    It holds if a key signed it by the algorithm that its header says, nothing critical in its header is unknown, and issuer, audience,
    expiry and start are as the constraints ask. The time is the world's unless the constraints give one.
    """
    if type(text) is not str or type(asked) is not dict:
        raise mistyped("io.jwt.decode_verify", text, asked)
    with blame("io.jwt.decode_verify"):
        constraints = _constraints(asked, world.now_ns)
        while True:
            token = _split(text)
            header = _fit(_header(token))
            alg = header.get("alg", "")
            if not _is_understood(header) or constraints.alg not in {"", alg}:
                return [False, {}, {}]
            signature, message = url(token.signature), token.message
            if not any(verified(alg, key.material, message, signature) for key in constraints.candidates(header)):
                return [False, {}, {}]
            raw = _part("payload", token.payload)
            if header.get("cty", "").upper() != "JWT":
                break
            text = raw.decode(errors="replace")
        payload = _object(raw)
        return [True, header, payload] if _holds(payload, constraints) else [False, {}, {}]


def _holds(payload: dict[str, Value], asked: Constraints) -> bool:
    issuer, audience = payload.get("iss", UNDEFINED), payload.get("aud", UNDEFINED)
    if asked.iss and issuer != asked.iss:
        return False
    if audience is UNDEFINED:
        if asked.aud:
            return False
    elif audience != asked.aud and not (type(audience) is list and asked.aud in audience):
        return False
    for name in ("exp", "nbf"):
        if name in payload and not _is_number(payload[name]):
            raise ValueError(f"{name} value must be a number")
    now = asked.time / _NS
    return not ("exp" in payload and now >= payload["exp"]) and not ("nbf" in payload and now < payload["nbf"])


@builtin("io.jwt.encode_sign", (OBJECT, OBJECT, OBJECT), STRING, worldly=True)
def encode_sign(world: World, header: Any, payload: Any, key: Any) -> str:
    """A signed token. `key` is a JWK, or a set of them of which the first is taken."""
    if type(header) is not dict or type(payload) is not dict or type(key) is not dict:
        raise mistyped("io.jwt.encode_sign", header, payload, key)
    with blame("io.jwt.encode_sign"):
        return _signed(world, marshal(header), marshal(payload), key)


@builtin("io.jwt.encode_sign_raw", (STRING, STRING, STRING), STRING, worldly=True)
def encode_sign_raw(world: World, header: Any, payload: Any, key: Any) -> str:
    """A signed token of exactly these texts; the payload has to be JSON unless the header's `typ` says otherwise."""
    if type(header) is not str or type(payload) is not str or type(key) is not str:
        raise mistyped("io.jwt.encode_sign_raw", header, payload, key)
    with blame("io.jwt.encode_sign_raw"):
        return _signed(world, header, payload, loaded(key))


def _signed(world: World, header: str, payload: str, key: Any) -> str:
    material = first(key)
    alg, typ = _said(header)
    if alg not in ALGORITHMS:
        raise ValueError(f"unknown JWS algorithm: {alg}")
    if typ == "JWT":
        try:
            loaded(payload)
        except ValueError:
            raise ValueError("type is JWT but payload is not JSON") from None
    message = b".".join(base64.urlsafe_b64encode(octets(part)).rstrip(b"=") for part in (header, payload))
    signature = signed(alg, material, message, world.chance("io.jwt.encode_sign").randbytes)
    return (message + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def _said(header: str) -> tuple[str, str]:
    """The `alg` and `typ` of a header; a header without a type is one of a token."""
    try:
        held = loaded(header)
    except ValueError as flaw:
        if header.startswith(("{", "[", '"')):
            raise ValueError(f"missing or invalid 'alg' header: cannot parse JSON: {flaw}") from None
        held = {}
    alg = held.get("alg") if type(held) is dict else None
    if type(alg) is not str:
        raise ValueError("missing or invalid 'alg' header: jwsbb: header \"alg\" not found")
    typ = held.get("typ", "JWT")
    return alg, typ if type(typ) is str else "JWT"
