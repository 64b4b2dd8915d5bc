"""Redaction at the source: what never reaches a record, whoever writes it and at whatever level.

Three kinds of secret: the values of certain header fields, the values of certain parameters of a query (or of
a path, a fragment, a URL inside a value), and user information in a URL (RFC 3986, section 3.2.1). What is
found is replaced; where it is doubtful how far a secret reaches, more is replaced rather than less.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

REDACTED: Final = "[redacted]"
"""Stands for a header field's value."""
REDACTED_IN_URL: Final = "redacted"
"""Stands for a value or user information inside a URL, where brackets would need encoding."""


def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


SECRET_HEADERS: Final = _names(
    """
    authorization proxy-authorization x-forwarded-authorization x-original-authorization authentication-info
    cookie cookie2 set-cookie set-cookie2
    x-api-key api-key apikey x-apikey x-api-token x-api-secret x-goog-api-key x-functions-key
    ocp-apim-subscription-key
    x-auth-token x-auth-key x-access-token x-refresh-token x-id-token x-session-token x-session-id x-token
    token x-secret x-client-secret x-password private-token job-token x-gitlab-token x-vault-token
    x-csrf-token x-csrftoken x-xsrf-token
    x-amz-security-token x-amzn-oidc-data x-amzn-oidc-accesstoken x-goog-iap-jwt-assertion
    x-goog-iam-authorization-token cf-access-jwt-assertion cf-access-client-secret x-jwt-assertion x-jwt
    x-ms-token-aad-access-token x-ms-token-aad-id-token x-ms-token-aad-refresh-token x-ms-client-principal
    x-hub-signature x-hub-signature-256 x-signature
    """
)
"""Header fields (of requests and responses) whose values are redacted by default; names in lower case."""

SECRET_PARAMETERS: Final = _names(
    """
    password passwd passphrase pwd pass new_password old_password current_password password_confirmation
    user_password
    token access_token refresh_token id_token auth_token session_token security_token csrf_token csrf
    csrfmiddlewaretoken xsrf_token reset_token bearer jwt id_token_hint code_verifier
    api_key apikey x_api_key api_token api_secret app_secret access_key secret_key private_key
    subscription_key
    secret client_secret client_assertion shared_secret credential credentials
    auth authorization assertion saml_response saml_request otp totp pin
    signature sig hmac x_amz_signature x_amz_credential x_amz_security_token x_goog_signature
    x_goog_credential
    session session_id sessionid sid jsessionid phpsessid
    """
)
"""Parameters whose values are redacted by default. Case, ``_`` and ``-`` do not matter (``accessToken`` is
``access_token``), nor does percent-encoding; of ``user[password]`` and ``user.password`` each part counts."""

_URL_HEADERS: Final = frozenset({"referer", "referrer", "origin", "location", "content-location", "refresh"})

_USERINFO: Final = re.compile(r"([/\\]{2})[^/\\?#\s]*@")
_LEADING_USERINFO: Final = re.compile(r"^[^/\\?#\s]*@")
_PARAMETER: Final = re.compile(r"(?:^|[?;#])([^?;#=]*)=")
_ANY_PARAMETER: Final = re.compile(r"(?:^|[?&;#])([^?&;#=]*)=")
_NAME_PART: Final = re.compile(r"[^a-z0-9]+")
_REQUEST_LINE: Final = re.compile(r"(\S+ +)(.*?)( +HTTP/\S*)?", re.DOTALL)
_LINE_ENDING: Final = re.compile(r"\r\n|\r|\n")

_MAX_ENCODINGS: Final = 4
"""How many layers of percent-encoding are looked through."""
_MAX_KNOWN: Final = 4096
"""Names of parameters whose verdict is remembered."""


def _squeezed(name: str) -> str:
    return name.replace("_", "").replace("-", "")


def _decoded(text: str) -> str:
    """`text` without its percent-encoding, however often it was applied."""
    for _ in range(_MAX_ENCODINGS):
        plain = unquote(text, "latin-1")
        if plain == text:
            break
        text = plain
    return text


class Redaction:
    """What counts as secret.

    :param headers: names of header fields, in any case.
    :param parameters: names of parameters in queries.
    """

    __slots__ = ("_headers", "_known", "_parameters", "_squeezed_headers")

    def __init__(
        self, headers: Iterable[str] = SECRET_HEADERS, parameters: Iterable[str] = SECRET_PARAMETERS
    ) -> None:
        self._headers = frozenset(name.lower().replace("_", "-") for name in headers)
        self._squeezed_headers = tuple(_squeezed(name) for name in self._headers if len(name) > 4)
        self._parameters = frozenset(_squeezed(name.lower()) for name in parameters)
        self._known: dict[str, bool] = {}

    def is_secret_header(self, name: str) -> bool:
        """Whether a header field's value is secret; `name` as in HTTP or as in CGI, without ``HTTP_``."""
        return name.lower().replace("_", "-") in self._headers

    def is_secret_parameter(self, name: str) -> bool:
        """Whether a parameter's value is secret; `name` as sent, percent-encoding included."""
        verdict = self._known.get(name)
        if verdict is None:
            verdict = self._judge(name)
            if len(name) <= 64:
                if len(self._known) >= _MAX_KNOWN:
                    self._known.clear()
                self._known[name] = verdict
        return verdict

    def _judge(self, name: str) -> bool:
        plain = _squeezed(_decoded(name.replace("+", " ")).lower())
        secret = self._parameters
        return plain in secret or any(part in secret for part in _NAME_PART.split(plain))

    def header(self, name: str, value: str) -> str:
        """A header field's value as it may be recorded."""
        name = name.lower().replace("_", "-")
        if name in self._headers:
            return REDACTED
        return self.url(value) if name in _URL_HEADERS else self.text(value)

    def url(self, value: str) -> str:
        """A request target in any form, or the value of a field that holds a URL."""
        if "@" in value and value[:1] != "/":
            value = _LEADING_USERINFO.sub(f"{REDACTED_IN_URL}@", value)
        path, mark, query = value.partition("?")  # a secret in the path ends where the query begins
        return self.text(path) + mark + self.text(query) if query else self.text(value)

    def text(self, value: str) -> str:
        """Any text that may hold URLs or parameters, such as a query; fast where it cannot."""
        if "@" in value:
            value = _USERINFO.sub(rf"\g<1>{REDACTED_IN_URL}@", value)
        if "%" not in value and not any(map(self.is_secret_parameter, _ANY_PARAMETER.findall(value))):
            return value
        return "&".join([self._between_ampersands(part) for part in value.split("&")])

    def _between_ampersands(self, part: str) -> str:
        # Servers differ in whether ";" ends a value, and "?" may stand in one: a secret goes on to the "&".
        for match in _PARAMETER.finditer(part):
            if self.is_secret_parameter(match[1]):
                return part[: match.end()] + REDACTED_IN_URL
        if "%" in part:
            plain = _decoded(part)
            if plain != part and self.text(plain) != plain:
                return self._without_encoded(part)
        return part

    def _without_encoded(self, part: str) -> str:
        """`part` with what is percent-encoded in it, a URL with a secret, left out."""
        before = part[: part.index("%")]
        keep = max(before.rfind(mark) for mark in "=?;#/") + 1
        return part[:keep] + REDACTED_IN_URL

    def request_line(self, line: str) -> str:
        """A request line, well-formed or not."""
        match = _REQUEST_LINE.fullmatch(line)
        if match is None:
            return self.url(line)
        return f"{match[1]}{self.url(match[2])}{match[3] or ''}"

    def header_line(self, line: str) -> str:
        """One raw field line, well-formed or not: ``Name: value``."""
        name, colon, value = line.partition(":")
        if self._looks_secret(name):
            return f"{name}: {REDACTED}" if colon else REDACTED
        return f"{name}{colon} {self.header(name.strip(), value.strip())}" if colon else self.text(line)

    def _looks_secret(self, name: str) -> bool:
        """Whether a raw name, perhaps with stray characters, holds the name of a secret field."""
        if self.is_secret_header(name.strip()):
            return True
        squeezed = "".join([letter for letter in name.lower() if letter.isalnum()])
        return any(secret in squeezed for secret in self._squeezed_headers)

    def excerpt(self, data: bytes) -> str:
        """What a client sent, from its request line on, for a record of the protocol; lines end in ``\\n``."""
        first, *rest = _LINE_ENDING.split(data.decode("latin-1"))
        lines = [self.request_line(first)]
        hidden = False
        for line in rest:
            if line[:1] not in (" ", "\t"):  # else it continues the line before (obs-fold)
                hidden = self._looks_secret(line.partition(":")[0])
            elif hidden:
                lines.append(REDACTED)
                continue
            lines.append(self.header_line(line))
        return "\n".join(lines)


_active = Redaction()


def configure(headers: Iterable[str] = (), parameters: Iterable[str] = ()) -> None:
    """Set what this process redacts: the defaults and these names. Before formatters and encoders are made."""
    global _active
    _active = Redaction(SECRET_HEADERS.union(headers), SECRET_PARAMETERS.union(parameters))


def active() -> Redaction:
    """What this process redacts."""
    return _active
