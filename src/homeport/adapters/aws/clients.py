"""Clients of AWS services, made once each, from one session."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from homeport.domain.errors import Unavailable

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_cloudsearch import CloudSearchClient
    from mypy_boto3_cloudsearchdomain import CloudSearchDomainClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient

CONNECT_SECONDS: Final = 1
READ_SECONDS: Final = 3
"""One attempt: with what clocks may differ by, it stays within the window in which a change may
appear behind a later one."""
_READ_SECONDS: Final = {"cloudsearchdomain": 30, "cloudwatch": 30}
"""Where another time is right: a full batch of documents has 5 MB, a day has 1,440 minutes."""

_SENDING: Final = "before-send."

# What may be sent again as it is, is retried by botocore. Writes to the table are not: each
# attempt is stamped anew, which only the store can do.
_OWN_RETRIES: Final = frozenset({"dynamodb"})


class Clients:
    """A client for each service, built when it is first asked for, safe to share.

    Region, credentials and endpoints are AWS's own settings (`AWS_REGION`, `AWS_ENDPOINT_URL`
    and so on); `region` wins over them. A `session` that is given is used as it is. `on_call`
    hears of each request that is sent, attempts included, as `dynamodb.GetItem`.
    """

    def __init__(
        self,
        region: str | None = None,
        session: boto3.Session | None = None,
        *,
        on_call: Callable[[str], None] | None = None,
    ) -> None:
        self._region = region
        self._create: Callable[..., Any] | None = None if session is None else session.client
        self._on_call = on_call
        self._made: dict[tuple[str, str | None], Any] = {}
        self._lock = threading.Lock()

    @overload
    def get(self, service: Literal["dynamodb"]) -> DynamoDBClient: ...
    @overload
    def get(self, service: Literal["dynamodbstreams"]) -> DynamoDBStreamsClient: ...
    @overload
    def get(self, service: Literal["sqs"]) -> SQSClient: ...
    @overload
    def get(self, service: Literal["sns"]) -> SNSClient: ...
    @overload
    def get(self, service: Literal["s3"]) -> S3Client: ...
    @overload
    def get(self, service: Literal["sts"]) -> STSClient: ...
    @overload
    def get(self, service: Literal["cloudsearch"]) -> CloudSearchClient: ...
    @overload
    def get(self, service: Literal["cloudwatch"]) -> Any: ...
    @overload
    def get(
        self, service: Literal["cloudsearchdomain"], endpoint: str
    ) -> CloudSearchDomainClient: ...
    def get(self, service: str, endpoint: str | None = None) -> Any:
        """The client. Raises Unavailable, saying what to set, where there is no region."""
        found = self._made.get((service, endpoint))
        if found is not None:
            return found
        with self._lock:  # sessions are not safe to share while they make clients
            found = self._made.get((service, endpoint))
            if found is None:
                found = self._made[service, endpoint] = self._make(service, endpoint)
        return found

    def _make(self, service: str, endpoint: str | None) -> Any:
        from botocore.config import Config
        from botocore.exceptions import NoRegionError

        retries: Any = {"mode": "standard"}
        if service in _OWN_RETRIES:
            retries = {"total_max_attempts": 1, "mode": "standard"}
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=_READ_SECONDS.get(service, READ_SECONDS),
            retries=retries,
            tcp_keepalive=True,
        )
        if self._create is None:
            # boto3 would make the same client, and load resources and transfers to S3 for it.
            from botocore.session import Session

            # botocore reads AWS_DEFAULT_REGION alone, Lambda and AWS's other tools set AWS_REGION.
            region = self._region or os.environ.get("AWS_REGION")
            self._create = partial(Session().create_client, region_name=region)
        try:
            client = self._create(service, endpoint_url=endpoint, config=config)
        except NoRegionError as exc:
            raise Unavailable("No AWS region is set: set AWS_REGION, or aws.region.") from exc
        on_call = self._on_call
        if on_call is not None:

            def sent(event_name: str, **_: Any) -> None:
                on_call(event_name.removeprefix(_SENDING))

            client.meta.events.register_first("before-send", sent)
        return client
