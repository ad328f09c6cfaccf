"""AWS's errors in the domain's words."""

from __future__ import annotations

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws.errors import is_lost, translated
from homeport.domain.errors import Overloaded, Unavailable


def error(code: str, message: str = "", status: int = 400) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
                "HostId": "",
            },
        },
        "PutItem",
    )


_DENIED = (
    "User: arn:aws:iam::123456789012:user/x is not authorized to perform: dynamodb:PutItem "
    "on resource: arn:aws:dynamodb:eu-west-1:123456789012:table/t"
)


@pytest.mark.parametrize(
    ("exc", "kind", "said"),
    [
        (error("ThrottlingException"), Overloaded, "try again"),
        (error("ProvisionedThroughputExceededException"), Overloaded, "try again"),
        (error("InternalServerError", status=500), Unavailable, "trouble of its own"),
        (error("ResourceNotFoundException"), Unavailable, "set aws.table"),
        (error("AccessDeniedException", _DENIED), Unavailable, "does not permit dynamodb:PutItem"),
        (error("AccessDenied"), Unavailable, "does not permit PutItem"),
        (error("UnrecognizedClientException"), Unavailable, "AWS_ACCESS_KEY_ID"),
        (
            error("InvalidSignatureException", "Signature expired: 20260101"),
            Unavailable,
            "set its clock",
        ),
        (error("ValidationException"), Unavailable, "ValidationException"),
        (exceptions.NoCredentialsError(), Unavailable, "no AWS credentials"),
        (exceptions.ProfileNotFound(profile="x"), Unavailable, "AWS_PROFILE"),
        (exceptions.NoRegionError(), Unavailable, "AWS_REGION"),
        (
            exceptions.CredentialRetrievalError(provider="x", error_msg="y"),
            Unavailable,
            "sign in again",
        ),
        (exceptions.EndpointConnectionError(endpoint_url="u"), Unavailable, "cannot be reached"),
        (exceptions.ReadTimeoutError(endpoint_url="u"), Unavailable, "in time"),
        (exceptions.ConnectionClosedError(endpoint_url="u"), Unavailable, "ConnectionClosedError"),
    ],
)
def test_each_says_what_to_do(
    exc: ClientError | BotoCoreError, kind: type[Unavailable], said: str
) -> None:
    found = translated(exc, "writing to the table", setting="aws.table")
    assert type(found) is kind
    assert said in found.detail
    assert "123456789012" not in found.detail


@pytest.mark.parametrize(
    ("exc", "lost"),
    [
        (exceptions.ReadTimeoutError(endpoint_url="u"), True),
        (exceptions.ConnectionClosedError(endpoint_url="u"), True),
        (exceptions.ResponseStreamingError(error="x"), True),
        (error("InternalServerError", status=500), True),
        (exceptions.EndpointConnectionError(endpoint_url="u"), False),
        (exceptions.ConnectTimeoutError(endpoint_url="u"), False),
        (exceptions.NoCredentialsError(), False),
        (error("ThrottlingException"), False),
        (error("ValidationException"), False),
    ],
)
def test_what_may_have_been_done_all_the_same_is_told_apart(
    exc: ClientError | BotoCoreError, lost: bool
) -> None:
    assert is_lost(exc) is lost
