"""The way to a search server: connections, who asks, retries."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from homeport.adapters.opensearch.errors import may_pass, refused, status_of, translated
from homeport.domain.errors import Unavailable

if TYPE_CHECKING:  # what it imports opens a socket, to see what the machine can
    from opensearchpy import OpenSearch

OLDEST: Final = (2, 0)
"""The oldest version of OpenSearch that this works with."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the server is, and how it is asked.

    `urls` are its nodes. `aws` is "es" for Amazon OpenSearch Service, "aoss" for a serverless
    collection, "" for neither; with it, requests are signed with botocore's credentials for
    `region`. A proxy is what the environment says (`HTTPS_PROXY`, `NO_PROXY`). Times are in
    seconds: one attempt of a search may take `timeout`, one of a batch three times as long.
    """

    urls: tuple[str, ...] = ("http://127.0.0.1:9200",)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_certs: str | None = None
    verify: bool = True
    aws: str = ""
    region: str | None = None
    timeout: float = 10.0
    pool: int = 16
    compress: bool = True

    @property
    def serverless(self) -> bool:
        return self.aws == "aoss"


class Server:
    """One server, asked by any number of threads. `sleep` waits for so many seconds."""

    def __init__(self, access: Access, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.access: Final = access
        self._sleep = sleep
        self._client: OpenSearch | None = None
        self._opening = threading.Lock()

    @property
    def serverless(self) -> bool:
        return self.access.serverless

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        doing: str,
        params: Mapping[str, Any] | None = None,
        expected: Collection[int] = (),
        timeout: float | None = None,
    ) -> Any:
        """The answer's JSON.

        Raises Refused for the statuses in `expected`, and the domain's errors for all others.
        What may pass is tried again, three times, within two seconds.
        """
        from opensearchpy.exceptions import OpenSearchException, TransportError

        asked = {**(params or {}), "request_timeout": timeout or self.access.timeout}
        attempt = 0
        while True:
            try:
                transport = self._opened(doing).transport
                return transport.perform_request(method, path, params=dict(asked), body=body)
            except OpenSearchException as exc:
                if isinstance(exc, TransportError) and status_of(exc) in expected:
                    raise refused(exc) from exc
                if attempt == RETRIES or not may_pass(exc):
                    raise translated(exc, doing, serverless=self.serverless) from exc
            self._sleep(_PAUSE * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            attempt += 1

    def close(self) -> None:
        with self._opening:
            if self._client is not None:
                self._client.close()
                self._client = None

    def check(self) -> None:
        """Raise Unavailable where what answers is no OpenSearch, or one that is too old."""
        if self.serverless:
            return  # it is always new, and does not say so
        doing = "asking the search server for its version"
        answer = self.ask("GET", "/", doing=doing)
        version = answer.get("version", {}) if isinstance(answer, dict) else {}
        number = str(version.get("number", ""))
        # A domain of Amazon's may be set to pretend that it is Elasticsearch 7.10.
        pretends = "OpenSearch" in str(answer.get("tagline", "")) if version else False
        if not number or not (pretends or version.get("distribution") == "opensearch"):
            other = f"Elasticsearch {number}" if number else "something else"
            raise Unavailable(
                f"The search server is no OpenSearch: {other} answers. See opensearch.url.", 60
            )
        if tuple(int(part) for part in number.split(".")[:2] if part.isdigit()) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise Unavailable(
                f"The search server is OpenSearch {number}, which is too old: it has to be "
                f"{oldest} or later.",
                60,
            )

    def _opened(self, doing: str) -> OpenSearch:
        client = self._client
        if client is None:
            with self._opening:
                client = self._client
                if client is None:
                    client = self._client = _client(self.access, doing)
        return client


def address(*parts: str) -> str:
    """A path of names, which mean nothing else in it."""
    return "/" + "/".join(quote(part, safe=",*") for part in parts)


def _client(access: Access, doing: str) -> OpenSearch:
    """A client that does not retry: `Server.ask` does, with pauses."""
    from opensearchpy import OpenSearch, RequestsHttpConnection, Urllib3HttpConnection
    from opensearchpy.exceptions import ImproperlyConfigured, OpenSearchException

    proxied = any(_proxy(url) for url in access.urls)
    options: dict[str, Any] = {}
    if any(urlsplit(url).scheme == "https" for url in access.urls):
        options |= {"verify_certs": access.verify, "ssl_show_warn": False}
        if access.verify and access.ca_certs is not None:
            options["ca_certs"] = access.ca_certs
    if access.aws:
        options["http_auth"] = _signer(access, doing, proxied=proxied)
    elif access.user is not None:
        options["http_auth"] = (access.user, access.password or "")
    try:
        return OpenSearch(
            list(access.urls),
            connection_class=RequestsHttpConnection if proxied else Urllib3HttpConnection,
            pool_maxsize=access.pool,
            http_compress=access.compress,
            max_retries=0,
            **options,
        )
    except (OpenSearchException, ImproperlyConfigured, OSError, ValueError) as exc:
        raise Unavailable(
            f"The search server cannot be asked as opensearch.* says, while {doing}: {exc}", 60
        ) from exc


def _signer(access: Access, doing: str, *, proxied: bool) -> Any:
    from opensearchpy import RequestsAWSV4SignerAuth, Urllib3AWSV4SignerAuth

    try:
        import botocore.session
    except ModuleNotFoundError as exc:
        raise Unavailable(
            f"Requests cannot be signed, while {doing}: opensearch.aws needs the package botocore, "
            "which homeport[aws] brings.",
            60,
        ) from exc
    session = botocore.session.get_session()
    credentials = session.get_credentials()
    region = access.region or session.get_config_variable("region")
    if credentials is None or not region:
        lacking = "credentials" if credentials is None else "a region"
        raise Unavailable(
            f"Requests cannot be signed, while {doing}: AWS's settings give no {lacking}. Set "
            "AWS_REGION or aws.region, and credentials in any way that AWS's tools know.",
            60,
        )
    kind = RequestsAWSV4SignerAuth if proxied else Urllib3AWSV4SignerAuth
    return kind(credentials, region, access.aws)


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for a URL."""
    parts = urlsplit(url)
    proxies = getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    if not found or not parts.hostname or proxy_bypass(parts.netloc):
        return None
    return found


RETRIES: Final = 3
_PAUSE: Final = 0.2
