"""AWS's errors in the domain's words: the one place where an adapter's seam translates them.

    try:
        client.send_message(...)
    except (ClientError, BotoCoreError) as exc:
        raise translated(exc, "sending to the queue", setting="aws.messages_queue") from exc

What only one operation raises (a refused condition, a queue's own rules) its adapter takes
apart before; the rest comes here. The sentences name what to do. They hold no account, no
address and nothing that a user stored, since callers see them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from homeport.domain.errors import HomeportError, Overloaded, Unavailable

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

    VendorError: TypeAlias = ClientError | BotoCoreError

THROTTLED: Final = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "ServiceUnavailableException",  # CloudSearch's word for it
        "SlowDown",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_MISSING: Final = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucket",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)
_NOT_PERMITTED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "UnauthorizedOperation",
    }
)
_UNKNOWN_CALLER: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
# A clock that is wrong has another remedy than credentials that are.
_WRONG_CLOCK: Final = re.compile(r"Signature (?:expired|not yet current)")
# What DynamoDB says of a table that was not made for the keys, or the index, of a request.
_OTHER_KEYS: Final = re.compile(
    r"does not match the schema|[Mm]issing the key|does not have the specified index"
    r"|[Kk]ey condition|not part of the (?:table|key) schema|Missing key|Key attributes"
)
_ACTION: Final = re.compile(r"not authorized to perform: ([A-Za-z0-9-]+:[A-Za-z*]+)")


def translated(exc: VendorError, doing: str, *, setting: str = "") -> HomeportError:
    """What `exc` means to the domain: to be raised `from exc`.

    `doing` says in a few words what was tried ("writing to the table"); `setting` is the name
    of the setting that says with what ("aws.table"). Throttling becomes Overloaded, all else
    Unavailable: time-outs, lost connections and errors of the service itself pass, a missing
    or forbidden resource and unusable credentials wait for the operator.
    """
    from botocore import exceptions

    if not isinstance(exc, exceptions.ClientError):
        return _without_answer(exc, doing)
    code, message = code_of(exc), exc.response.get("Error", {}).get("Message", "")
    named = f" that {setting} names" if setting else ""
    if code in THROTTLED:
        return Overloaded(f"AWS refuses more for now ({code}) while {doing}; try again.")
    if code in _MISSING:
        return Unavailable(
            f"AWS knows nothing{named} ({code}) while {doing}: "
            f"create it, or set {setting or 'its name'} and the region to where it stands."
        )
    if code in _NOT_PERMITTED:
        found = _ACTION.search(message)
        action = found.group(1) if found else exc.operation_name
        return Unavailable(
            f"AWS does not permit {action} while {doing}: allow it, on the resource{named}, "
            "in the policy of this process's role."
        )
    if code in _UNKNOWN_CALLER:
        if _WRONG_CLOCK.search(message):
            return Unavailable(f"AWS refuses this machine's time while {doing}: set its clock.")
        return Unavailable(
            f"AWS does not accept the credentials ({code}) while {doing}: renew them (AWS_PROFILE, "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the process's role)."
        )
    if code == "ValidationException" and _OTHER_KEYS.search(message):
        return Unavailable(
            f"The table{named} has other keys, or another local index, than Homeport's ({code}) "
            f"while {doing}: create it anew as Homeport's, or set {setting or 'its name'} to one "
            "that is."
        )
    if status_of(exc) >= 500:
        return Unavailable(f"AWS has trouble of its own ({code}) while {doing}; try again.")
    return Unavailable(f"AWS refuses ({code}) while {doing}.")


def _without_answer(exc: BotoCoreError, doing: str) -> HomeportError:
    from botocore import exceptions

    if isinstance(exc, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return Unavailable(
            f"There are no AWS credentials while {doing}: set AWS_PROFILE, or AWS_ACCESS_KEY_ID "
            "and AWS_SECRET_ACCESS_KEY, or run with a role."
        )
    if isinstance(exc, exceptions.ProfileNotFound):
        return Unavailable(f"There is no such AWS profile while {doing}: check AWS_PROFILE.")
    if isinstance(exc, exceptions.NoRegionError):
        return Unavailable("No AWS region is set: set AWS_REGION, or aws.region.")
    if isinstance(
        exc,
        exceptions.CredentialRetrievalError | exceptions.TokenRetrievalError | exceptions.SSOError,
    ):
        return Unavailable(
            f"The AWS credentials cannot be fetched while {doing}: sign in again (aws sso login)."
        )
    if isinstance(exc, exceptions.EndpointConnectionError):
        return Unavailable(
            f"AWS cannot be reached while {doing}: check the network, and AWS_ENDPOINT_URL if set."
        )
    if isinstance(exc, exceptions.ReadTimeoutError | exceptions.ConnectTimeoutError):
        return Unavailable(f"AWS did not answer in time while {doing}; try again.")
    return Unavailable(
        f"The connection to AWS failed ({type(exc).__name__}) while {doing}; try again."
    )


def code_of(exc: ClientError) -> str:
    """The vendor's name for what is wrong, "" where the answer had none."""
    return exc.response.get("Error", {}).get("Code", "")


def status_of(exc: ClientError) -> int:
    """The answer's HTTP status, 0 where there is none."""
    return exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def is_not_permitted(exc: VendorError) -> bool:
    """Whether the caller is known, and may not do this."""
    from botocore import exceptions

    # S3 has no code of its own for a refusal to HEAD.
    return isinstance(exc, exceptions.ClientError) and code_of(exc) in _NOT_PERMITTED | {"403"}


def is_unknown_caller(exc: VendorError) -> bool:
    """Whether AWS will refuse everything that is asked in this way: without credentials, or
    with ones that it does not accept."""
    from botocore import exceptions

    if isinstance(exc, exceptions.ClientError):
        return code_of(exc) in _UNKNOWN_CALLER
    return isinstance(
        exc,
        exceptions.NoCredentialsError
        | exceptions.PartialCredentialsError
        | exceptions.CredentialRetrievalError
        | exceptions.TokenRetrievalError
        | exceptions.SSOError,
    )


def is_lost(exc: VendorError) -> bool:
    """Whether the request may have been carried out though the answer says nothing of it: it
    was sent, and then time, the connection or the service itself gave out."""
    from botocore import exceptions

    if isinstance(exc, exceptions.ClientError):
        return status_of(exc) >= 500
    return isinstance(exc, exceptions.HTTPClientError)
