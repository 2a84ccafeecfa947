"""Requests to AWS, signed (Signature Version 4)."""

import datetime as dt
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlsplit

from flyball.rego.builtin.desk import builtin, mistyped, unfit
from flyball.rego.builtin.json import marshal
from flyball.rego.decode import blame, octets
from flyball.rego.type import ANY, NUMBER, OBJECT, STRING, object_of
from flyball.rego.value import Value, unkey

_NAME: Final = "providers.aws.sign_req"
_CONFIG: Final = ("aws_access_key", "aws_region", "aws_secret_access_key", "aws_service")
_REQUEST: Final = ("method", "url")
# What a request may say: what http.send takes.
_KNOWN: Final = frozenset(
    (
        *_REQUEST,
        "body",
        "cache",
        "cache_ignored_headers",
        "caching_mode",
        "enable_redirect",
        "force_cache",
        "force_cache_duration_seconds",
        "force_json_decode",
        "force_yaml_decode",
        "headers",
        "max_retry_attempts",
        "raise_error",
        "raw_body",
        "timeout",
        "tls_ca_cert",
        "tls_ca_cert_env_variable",
        "tls_ca_cert_file",
        "tls_client_cert",
        "tls_client_cert_env_variable",
        "tls_client_cert_file",
        "tls_client_key",
        "tls_client_key_env_variable",
        "tls_client_key_file",
        "tls_insecure_skip_verify",
        "tls_server_name",
        "tls_use_system_certs",
    )
)
_UNSIGNED: Final = frozenset(("authorization", "user-agent", "x-amzn-trace-id"))  # of the request's own headers
_HASHED: Final = frozenset(("s3", "glacier"))  # services that want the hash of the body in a header
_END: Final = 253_402_300_800_000_000_000  # the year 10000, which no date of AWS can say
_SAFE: Final = "/%$&+,:;=@!'()*~"  # stands in a path as it is


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, for what, and when."""

    access: str
    secret: str
    region: str
    service: str
    session: str
    moment: dt.datetime

    @property
    def day(self) -> str:
        """The day of the signature."""
        return f"{self.moment:%Y%m%d}"

    @property
    def stamp(self) -> str:
        """The moment of the signature."""
        return f"{self.moment:%Y%m%dT%H%M%SZ}"

    @property
    def scope(self) -> str:
        """What the signature is good for."""
        return f"{self.day}/{self.region}/{self.service}/aws4_request"

    def sign(self, text: str) -> str:
        """The signature of a text, in hexadecimal."""
        key = octets(f"AWS4{self.secret}")
        for part in (self.day, self.region, self.service, "aws4_request"):
            key = hmac.digest(key, octets(part), "sha256")
        return hmac.digest(key, octets(text), "sha256").hex()


@builtin(_NAME, (object_of(STRING, ANY), object_of(STRING, ANY), NUMBER), OBJECT)
def sign_req(request: Any, config: Any, time_ns: Any) -> dict[Any, Value]:
    """The request with the headers of its signature.

    Args:
        request: as `http.send` takes it; `body` or `raw_body` is signed.
        config: keys, region and service; optional a session token and `disable_payload_signing`.
        time_ns: nanoseconds since 1970 at which it is signed.
    """
    if type(request) is not dict or type(config) is not dict or type(time_ns) not in {int, float}:
        raise mistyped(_NAME, request, config, time_ns)
    _texts(2, config, _CONFIG, "required AWS config")
    if type(time_ns) is not int or not 0 <= time_ns < _END:
        raise unfit(_NAME, 3, "could not convert time_ns value into a unix timestamp")
    if strange := [name for name in map(unkey, request) if name not in _KNOWN]:
        raise unfit(_NAME, 1, f"invalid request parameters(s): {_shown(strange)}")
    _texts(1, request, _REQUEST, "required request")
    headers = request.get("headers", {})
    if type(headers) is not dict:
        raise unfit(_NAME, 1, "must be object but its headers are none")
    is_open = config.get("disable_payload_signing", False)
    if type(is_open) is not bool:
        raise unfit(_NAME, 2, "invalid value for 'disable_payload_signing' in AWS config")
    with blame(_NAME):
        own = {name: held if type(held) is str else "" for name, held in headers.items() if type(name) is str}
        digest = "UNSIGNED-PAYLOAD" if is_open else hashlib.sha256(_body(request)).hexdigest()
        made = _headers(_signer(config, time_ns), request["method"], urlsplit(request["url"]), own, digest)
    return {**request, "headers": own | made}


def _texts(place: int, given: Mapping[Any, Value], needed: tuple[str, ...], what: str) -> None:
    """That these members are there, and are strings."""
    if missing := [name for name in needed if name not in given]:
        raise unfit(_NAME, place, f"missing {what} parameters(s): {_shown(missing)}")
    if invalid := [name for name in needed if type(given[name]) is not str]:
        raise unfit(_NAME, place, f"invalid values for {what} parameters(s): {_shown(invalid)}")


def _shown(names: Iterable[Value]) -> str:
    return f"{{{', '.join(sorted(marshal(name) for name in names))}}}"


def _signer(config: Mapping[Any, Value], time_ns: int) -> Signer:
    session = config.get("aws_session_token", "")
    access, region, secret, service = (config[name] for name in _CONFIG)
    moment = dt.datetime.fromtimestamp(time_ns // 1_000_000_000, dt.UTC)
    return Signer(access, secret, region, service, session if type(session) is str else "", moment)


def _body(request: Mapping[Any, Value]) -> bytes:
    if "raw_body" in request:
        return octets(request["raw_body"]) if type(request["raw_body"]) is str else b""
    return octets(marshal(request["body"])) if "body" in request else b""


def _headers(signer: Signer, method: str, url: SplitResult, own: Mapping[str, str], digest: str) -> dict[str, str]:
    """The headers of the signature."""
    made = {"host": url.netloc.rpartition("@")[2], "x-amz-date": signer.stamp}
    if signer.service in _HASHED:
        made["x-amz-content-sha256"] = digest
    if signer.session:
        made["x-amz-security-token"] = signer.session
    signed = made | {name.lower(): held for name, held in own.items() if name.lower() not in _UNSIGNED}
    names = sorted(signed)
    lines = [method, quote(url.path, safe=_SAFE), url.query, *(f"{name}:{signed[name]}" for name in names), "", ";".join(names), digest]
    whole = hashlib.sha256(octets("\n".join(lines))).hexdigest()
    signature = signer.sign(f"AWS4-HMAC-SHA256\n{signer.stamp}\n{signer.scope}\n{whole}")
    credential = f"Credential={signer.access}/{signer.scope}"
    return made | {"Authorization": f"AWS4-HMAC-SHA256 {credential},SignedHeaders={';'.join(names)},Signature={signature}"}
