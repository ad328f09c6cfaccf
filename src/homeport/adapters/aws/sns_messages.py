"""A push as SNS wants it said: the message, and what goes beside it, by platform.

`platform` is SNS's name: APNS, APNS_SANDBOX or GCM.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from homeport.domain.model.data import encode
from homeport.domain.ports.push_gateway import Push

_MOBILE: Final = "AWS.SNS.MOBILE"
_COLLAPSE_BYTES: Final = 64
"""The longest id that APNs takes."""
_SHOWN: Final = ("alert", "badge", "sound")
"""What makes a push of APNs more than a wake-up call."""


def message_of(platform: str, push: Push) -> str:
    """What `Publish` takes with `MessageStructure=json`: JSON whose value is a string of JSON.

    There is no `default`, which is for topics. What replaces an older push of FCM's is a tag in
    the payload, which is here as it was rendered.
    """
    payload: Any = push.payload
    if platform == "GCM":
        payload = {"fcmV1Message": {"message": push.payload}}
    return encode({platform: encode(payload)})


def attributes_of(platform: str, push: Push) -> dict[str, str]:
    """Message attributes by name; the time to live is in seconds."""
    time_to_live = str(push.time_to_live)
    if platform == "GCM":
        # Here SNS says FCM, where in the message it says GCM.
        return {f"{_MOBILE}.FCM.TTL": time_to_live}
    aps = push.payload.get("aps", {})
    silent = not any(name in aps for name in _SHOWN)
    attributes = {
        f"{_MOBILE}.{platform}.TTL": time_to_live,
        # These are named for APNS in the sandbox too.
        f"{_MOBILE}.APNS.PUSH_TYPE": "background" if silent else "alert",
        f"{_MOBILE}.APNS.PRIORITY": "5" if silent else "10",
    }
    if push.collapse_id:
        attributes[f"{_MOBILE}.APNS.COLLAPSE_ID"] = _short(push.collapse_id)
    return attributes


def _short(collapse_id: str) -> str:
    """The id itself, or a digest of one that is too long."""
    if len(collapse_id.encode()) <= _COLLAPSE_BYTES:
        return collapse_id
    return hashlib.sha256(collapse_id.encode()).hexdigest()
