"""Where the search server is, for the search index "opensearch"."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from homeport.definition.environment import blank_is_none, typed
from homeport.definition.forms import Checked, Form, Held, Prepared

_URL: Final = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_PREFIX: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")

_Optional = Annotated[str | None, Prepared(blank_is_none)]
_Whole = Annotated[int, Prepared(typed), Held(strict=True)]
_Flag = Annotated[bool, Prepared(typed), Held(strict=True)]


def _list(value: Any) -> Any:
    """One URL stands for a list of one."""
    value = typed(value)
    return [value] if isinstance(value, str) else value


def is_url(text: str) -> bool:
    """Whether it is the URL of a server, and nothing of somebody's who may ask it."""
    return _URL.fullmatch(text) is not None


def _are_urls(urls: tuple[str, ...]) -> tuple[str, ...]:
    for url in urls:
        if not is_url(url):
            raise ValueError(
                "this is not the URL of a server, as https://search.example.com:9200; user "
                "and password have keys of their own"
            )
    return urls


def _is_prefix(prefix: str) -> str:
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("a prefix is 1 to 63 of a-z 0-9 _ - and begins with a letter")
    return prefix


@dataclass(frozen=True, kw_only=True)
class OpenSearchSettings(Form):
    """`url` is the server's, or a list of its nodes'. Its indexes begin with `prefix`.

    `user` and `password` are for a server of one's own, `ca_certs` the file with its authority's
    certificate. `aws` is `es` for Amazon OpenSearch Service and `aoss` for a serverless
    collection: requests are then signed with AWS's credentials, for `aws.region`. `timeout` is
    for one search, in seconds; batches of documents have three times as long. `total_hits` says
    whether all matches are counted, or no more than 10,000. `shards`, `replicas` and
    `max_fields` count for indexes that are made from then on.
    """

    url: Annotated[tuple[str, ...], Prepared(_list), Held(min_length=1), Checked(_are_urls)] = (
        "http://127.0.0.1:9200",
    )
    prefix: Annotated[str, Checked(_is_prefix)] = "homeport"
    user: _Optional = None
    password: _Optional = field(default=None, repr=False)
    ca_certs: _Optional = None
    verify: _Flag = True
    aws: Literal["", "es", "aoss"] = ""
    timeout: Annotated[_Whole, Held(ge=1, le=300)] = 10
    connections: Annotated[_Whole, Held(ge=1, le=1000)] = 16
    compression: _Flag = True
    total_hits: Literal["exact", "bounded"] = "exact"
    shards: Annotated[_Whole, Held(ge=1, le=1024)] = 1
    replicas: Annotated[_Whole, Held(ge=0, le=20)] = 1
    max_fields: Annotated[_Whole, Held(ge=1000, le=100_000)] = 5000

    def check(self) -> None:
        if self.aws and self.user is not None:
            raise ValueError("requests are signed for AWS, or have a user: not both")
        if self.password is not None and self.user is None:
            raise ValueError("there is a password and no user")

    def access(self, region: str | None) -> dict[str, Any]:
        """How the server is asked, as the adapter names it."""
        return {
            "urls": self.url,
            "user": self.user,
            "password": self.password,
            "ca_certs": self.ca_certs,
            "verify": self.verify,
            "aws": self.aws,
            "region": region,
            "timeout": float(self.timeout),
            "pool": self.connections,
            "compress": self.compression,
        }

    def layout(self) -> dict[str, Any]:
        """What a new index is like, as the adapter names it."""
        return {"shards": self.shards, "replicas": self.replicas, "max_fields": self.max_fields}
