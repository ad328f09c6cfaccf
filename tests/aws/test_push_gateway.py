"""Push through SNS.

Two things stand in for it. moto keeps endpoints, and is corrected below where it differs from
SNS; a script of answers in SNS's own words stands for what no emulator does. ministack has no
part here: its endpoints have ARNs of another shape (`app/...` where SNS writes `endpoint/...`),
and it takes pushes for disabled ones, which SNS refuses.
"""

from __future__ import annotations

import json
from typing import Any

import boto3
import moto.sns.models
import pytest
from moto.sns.models import PlatformApplication, PlatformEndpoint, SNSBackend

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.push_gateway import SNSPushGateway
from homeport.domain.errors import Invalid, Overloaded, Unavailable
from homeport.domain.model.device import Environment, Platform, PushOutcome, PushTarget
from homeport.domain.ports.push_gateway import Push
from homeport.domain.push_payloads import Notice, render
from homeport.testing import PushGatewayContract
from homeport.testing.push_gateway import HELLO, apns
from tests.aws.resources import REGION
from tests.aws.scripted_sns import (
    Reply,
    ScriptedSNS,
    attributes,
    conflict,
    created,
    done,
    refused,
)

_ARN = f"arn:aws:sns:{REGION}:123456789012"
APPLICATIONS = {name: f"{_ARN}:app/{name}/homeport" for name in ("APNS", "APNS_SANDBOX", "GCM")}
IPHONE = PushTarget(Platform.APNS, Environment.PRODUCTION, "ab" * 32)
SANDBOX = PushTarget(Platform.APNS, Environment.SANDBOX, "ab" * 32)
ANDROID = PushTarget(Platform.FCM, Environment.PRODUCTION, "token:of-FCM_1")


def endpoint_of(name: str, id: str = "1") -> str:
    return f"{_ARN}:endpoint/{name}/homeport/{id}"


ONE, OTHER = endpoint_of("APNS", "1"), endpoint_of("APNS", "2")


def create_as_sns_does(
    backend: SNSBackend,
    application: PlatformApplication,
    custom_user_data: str,
    token: str,
    attributes: dict[str, Any],
) -> Any:
    """A token is known within its application only, is the one that was set last, and its
    endpoint comes back as it is, disabled or not. moto differs in all three."""
    for endpoint in backend.platform_endpoints.values():
        if endpoint.application is application and endpoint.attributes["Token"] == token:
            return endpoint
    made: Any = PlatformEndpoint(  # moto's base class hides what it is from type checkers
        backend.account_id, backend.region_name, application, custom_user_data, token, attributes
    )
    backend.platform_endpoints[made.arn] = made
    return made


class TestSNSPushGateway(PushGatewayContract):
    @pytest.fixture
    def clients(self, moto_session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Clients:
        monkeypatch.setattr(
            moto.sns.models.SNSBackend, "create_platform_endpoint", create_as_sns_does
        )
        return Clients(session=moto_session)

    @pytest.fixture
    def sent(self, clients: Clients) -> list[dict[str, Any]]:
        """The parameters of each push that was tried, the oldest first."""
        found: list[dict[str, Any]] = []

        def keep(params: dict[str, Any], **_: Any) -> None:
            found.append(params)

        clients.get("sns").meta.events.register("provide-client-params.sns.Publish", keep)
        return found

    @pytest.fixture
    def gateway(self, clients: Clients, sent: list[dict[str, Any]]) -> SNSPushGateway:
        applications = {
            name: clients.get("sns").create_platform_application(
                Name="homeport", Platform=name, Attributes={}
            )["PlatformApplicationArn"]
            for name in APPLICATIONS
        }
        gateway = SNSPushGateway(clients, applications=applications)
        self._clients, self._sent = clients, sent
        return gateway

    def disable(self, gateway: SNSPushGateway, endpoint: str) -> None:
        self._clients.get("sns").set_endpoint_attributes(
            EndpointArn=endpoint, Attributes={"Enabled": "false"}
        )

    def pushed(self, gateway: SNSPushGateway, endpoint: str) -> list[tuple[PushTarget, Push]]:
        found = self._clients.get("sns").get_endpoint_attributes(EndpointArn=endpoint)
        _, name, _, _ = endpoint.split("/")
        platform = Platform.FCM if name == "GCM" else Platform.APNS
        sandbox = name == "APNS_SANDBOX"
        environment = Environment.SANDBOX if sandbox else Environment.PRODUCTION
        target = PushTarget(platform, environment, found["Attributes"]["Token"])
        return [
            (target, _read(name, one))
            for one in reversed(self._sent)
            if one["TargetArn"] == endpoint
        ]

    def test_a_token_that_moves_leaves_no_second_endpoint_behind_for_it(
        self, gateway: SNSPushGateway
    ) -> None:
        target = apns()
        first = gateway.register(target)
        assert gateway.register(target, gateway.register(apns())) == first
        assert gateway.register(target) == first


def _read(name: str, params: dict[str, Any]) -> Push:
    payload = json.loads(json.loads(params["Message"])[name])
    said = {key: one["StringValue"] for key, one in params["MessageAttributes"].items()}
    if name == "GCM":
        payload = payload["fcmV1Message"]["message"]
    collapse = said.get("AWS.SNS.MOBILE.APNS.COLLAPSE_ID", "")
    name = "FCM" if name == "GCM" else name
    return Push(payload, collapse, int(said[f"AWS.SNS.MOBILE.{name}.TTL"]))


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """One for all tests: it reads what SNS is like but once."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


@pytest.fixture
def clients(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Clients:
    monkeypatch.setattr("time.sleep", lambda _: None)  # between botocore's own attempts
    return Clients(session=session)


@pytest.fixture
def gateway(clients: Clients) -> SNSPushGateway:
    return SNSPushGateway(clients, applications=APPLICATIONS)


def gone(operation: str) -> Reply:
    return refused(operation, "NotFound", "Endpoint does not exist", 404)


def renewed() -> Reply:
    return done("SetEndpointAttributes")


def test_an_unknown_device_is_created_and_looked_at(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    """Creating does not re-enable: a disabled endpoint comes back as it is."""
    sns = ScriptedSNS(clients, created(ONE), attributes(IPHONE.token))
    assert gateway.register(IPHONE) == ONE
    create, look = sns.calls
    assert create["PlatformApplicationArn"] == APPLICATIONS["APNS"]
    assert create["Token"] == IPHONE.token
    assert look["EndpointArn"] == ONE


def test_no_custom_user_data_is_ever_sent(clients: Clients, gateway: SNSPushGateway) -> None:
    """A second user on the same phone would be refused for it."""
    sns = ScriptedSNS(
        clients, created(ONE), attributes(IPHONE.token, "false"), renewed(), done("Publish")
    )
    gateway.register(IPHONE)
    gateway.send(ONE, HELLO)
    assert not [name for one in sns.calls for name in (*one, *one.values()) if "Custom" in name]


def test_a_disabled_endpoint_that_creating_gives_is_enabled(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    sns = ScriptedSNS(clients, created(ONE), attributes(IPHONE.token, "false"), renewed())
    assert gateway.register(IPHONE) == ONE
    _check_renewal(sns.calls[-1], ONE, IPHONE.token)


def test_a_known_endpoint_that_is_well_costs_one_look(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    sns = ScriptedSNS(clients, attributes(IPHONE.token))
    assert gateway.register(IPHONE, ONE) == ONE
    assert sns.operations == ["GetEndpointAttributes"]


def test_a_known_endpoint_that_was_disabled_is_enabled(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    sns = ScriptedSNS(clients, attributes(IPHONE.token, "false"), renewed())
    assert gateway.register(IPHONE, ONE) == ONE
    _check_renewal(sns.calls[-1], ONE, IPHONE.token)


def test_a_known_endpoint_gets_a_new_token(clients: Clients, gateway: SNSPushGateway) -> None:
    sns = ScriptedSNS(clients, attributes("cd" * 32), renewed(), created(ONE))
    assert gateway.register(IPHONE, ONE) == ONE
    _check_renewal(sns.calls[1], ONE, IPHONE.token)
    assert sns.left == []


def _check_renewal(call: dict[str, str], arn: str, token: str) -> None:
    assert call["Action"] == "SetEndpointAttributes"
    assert call["EndpointArn"] == arn
    places = {
        value: call[f"{name.removesuffix('key')}value"]
        for name, value in call.items()
        if name.startswith("Attributes.entry.") and name.endswith(".key")
    }
    assert places == {"Token": token, "Enabled": "true"}


def test_a_known_endpoint_that_is_gone_is_created_again(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    ScriptedSNS(clients, gone("GetEndpointAttributes"), created(OTHER), attributes(IPHONE.token))
    assert gateway.register(IPHONE, ONE) == OTHER


def test_an_endpoint_that_goes_between_look_and_change_is_created_again(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    sns = ScriptedSNS(
        clients,
        attributes(IPHONE.token, "false"),
        gone("SetEndpointAttributes"),
        created(OTHER),
        attributes(IPHONE.token),
    )
    assert gateway.register(IPHONE, ONE) == OTHER
    assert sns.left == []


def test_an_endpoint_that_keeps_going_is_given_up(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    rounds = [one for _ in range(9) for one in (created(ONE), gone("GetEndpointAttributes"))]
    ScriptedSNS(clients, *rounds)
    with pytest.raises(Unavailable, match="changed elsewhere"):
        gateway.register(IPHONE)


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_the_endpoint_is_taken_from_the_conflict_that_creating_meets(
    clients: Clients, gateway: SNSPushGateway, enabled: str
) -> None:
    replies = [conflict("CreatePlatformEndpoint", OTHER), attributes(IPHONE.token, enabled)]
    sns = ScriptedSNS(clients, *replies, *([renewed()] if enabled == "false" else []))
    assert gateway.register(IPHONE) == OTHER
    assert sns.left == []
    if enabled == "false":
        _check_renewal(sns.calls[-1], OTHER, IPHONE.token)


def test_the_endpoint_is_taken_from_the_conflict_that_a_new_token_meets(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    sns = ScriptedSNS(
        clients,
        attributes("cd" * 32),
        conflict("SetEndpointAttributes", OTHER),
        attributes(IPHONE.token),
    )
    assert gateway.register(IPHONE, ONE) == OTHER
    assert sns.left == []


@pytest.mark.parametrize(
    ("target", "name"), [(IPHONE, "APNS"), (SANDBOX, "APNS_SANDBOX"), (ANDROID, "GCM")]
)
def test_each_platform_and_environment_has_its_own_application(
    clients: Clients, gateway: SNSPushGateway, target: PushTarget, name: str
) -> None:
    sns = ScriptedSNS(clients, created(endpoint_of(name)), attributes(target.token))
    gateway.register(target)
    assert sns.calls[0]["PlatformApplicationArn"] == APPLICATIONS[name]


@pytest.mark.parametrize(
    ("target", "name", "said"),
    [(IPHONE, "APNS", "APNs"), (SANDBOX, "APNS_SANDBOX", "sandbox"), (ANDROID, "GCM", "FCM")],
)
def test_a_platform_without_an_application_is_refused(
    clients: Clients, target: PushTarget, name: str, said: str
) -> None:
    others = {one: arn for one, arn in APPLICATIONS.items() if one != name}
    with pytest.raises(Invalid) as caught:
        SNSPushGateway(clients, applications=others).register(target)
    (fault,) = caught.value.faults
    assert "has no push application" in fault.detail
    assert said in fault.detail


def test_an_endpoint_of_another_application_is_not_asked_for(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    sns = ScriptedSNS(clients, created(ONE), attributes(IPHONE.token))
    assert gateway.register(IPHONE, endpoint_of("APNS_SANDBOX")) == ONE
    assert sns.left == []


def test_a_token_that_sns_finds_wrong_is_the_callers_fault(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    message = "Invalid parameter: Token Reason: iOS device tokens must be 64 characters"
    ScriptedSNS(clients, refused("CreatePlatformEndpoint", "InvalidParameter", message))
    with pytest.raises(Invalid) as caught:
        gateway.register(IPHONE)
    assert [fault.pointer for fault in caught.value.faults] == ["/token"]


def test_an_application_that_is_gone_is_the_operators_trouble(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    message = "PlatformApplication does not exist"
    ScriptedSNS(clients, refused("CreatePlatformEndpoint", "NotFound", message, 404))
    with pytest.raises(Unavailable, match=r"aws\.push_applications"):
        gateway.register(IPHONE)


@pytest.mark.parametrize(
    ("code", "message", "outcome"),
    [
        ("EndpointDisabled", "Endpoint is disabled", PushOutcome.STALE),
        ("NotFound", "Endpoint does not exist", PushOutcome.STALE),
        (
            "InvalidParameter",
            "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified",
            PushOutcome.STALE,
        ),
        (
            "InvalidParameter",
            "Invalid parameter: Message too long",
            PushOutcome.TOO_LARGE,
        ),
    ],
)
def test_what_a_refused_push_says_of_the_device(
    clients: Clients, gateway: SNSPushGateway, code: str, message: str, outcome: PushOutcome
) -> None:
    sns = ScriptedSNS(clients, refused("Publish", code, message))
    assert gateway.send(ONE, HELLO) is outcome
    assert sns.left == [], "it was tried once"
    assert len(sns.calls) == 1


@pytest.mark.parametrize(
    ("code", "status"), [("Throttling", 400), ("Throttled", 429), ("ThrottledException", 429)]
)
def test_throttling_is_told(
    clients: Clients, gateway: SNSPushGateway, code: str, status: int
) -> None:
    ScriptedSNS(clients, *[refused("Publish", code, "Rate exceeded", status)] * 5)
    assert gateway.send(ONE, HELLO) is PushOutcome.THROTTLED


def test_throttled_registering_may_be_tried_later(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    replies = [refused("CreatePlatformEndpoint", "Throttling", "Rate exceeded")] * 5
    ScriptedSNS(clients, *replies)
    with pytest.raises(Overloaded):
        gateway.register(IPHONE)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (refused("Publish", "InternalFailure", "We encountered", 500), "try again"),
        (
            refused("Publish", "PlatformApplicationDisabled", "Platform application is disabled"),
            "credentials",
        ),
        (refused("Publish", "AuthorizationError", "No", 403), "permit"),
        (refused("Publish", "InvalidParameter", "Invalid parameter: Something"), "refuses"),
    ],
)
def test_other_trouble_is_not_the_devices(
    clients: Clients, gateway: SNSPushGateway, reply: Reply, said: str
) -> None:
    ScriptedSNS(clients, *[reply] * 5)
    with pytest.raises(Unavailable, match=said):
        gateway.send(ONE, HELLO)


def test_removing_what_is_gone_is_no_trouble(clients: Clients, gateway: SNSPushGateway) -> None:
    sns = ScriptedSNS(clients, done("DeleteEndpoint"), gone("DeleteEndpoint"))
    gateway.unregister(ONE)
    gateway.unregister(ONE)
    gateway.unregister("never-was")
    assert [one["EndpointArn"] for one in sns.calls] == [ONE, ONE]


NOTICE = Notice("m1", "r1", "anna", "Hello", "How are you?", {"n": 1})
SILENT = Notice("m1", "r1", "anna", "", "", {})


@pytest.mark.parametrize("name", ["APNS", "APNS_SANDBOX"])
def test_an_alert_for_apns(clients: Clients, gateway: SNSPushGateway, name: str) -> None:
    payload = render(Platform.APNS, NOTICE)
    sns = ScriptedSNS(clients, done("Publish"))
    assert gateway.send(endpoint_of(name), Push(payload, "r1", 90)) is PushOutcome.ACCEPTED
    assert sns.calls[0]["TargetArn"] == endpoint_of(name)
    assert sns.calls[0]["MessageStructure"] == "json"
    assert sns.published() == {name: payload}
    assert sns.message_attributes() == {
        f"AWS.SNS.MOBILE.{name}.TTL": "90",
        "AWS.SNS.MOBILE.APNS.PUSH_TYPE": "alert",
        "AWS.SNS.MOBILE.APNS.PRIORITY": "10",
        "AWS.SNS.MOBILE.APNS.COLLAPSE_ID": "r1",
    }


def test_a_silent_push_for_apns(clients: Clients, gateway: SNSPushGateway) -> None:
    sns = ScriptedSNS(clients, done("Publish"))
    gateway.send(ONE, Push(render(Platform.APNS, SILENT)))
    assert sns.published()["APNS"]["aps"] == {"content-available": 1}
    assert sns.message_attributes() == {
        "AWS.SNS.MOBILE.APNS.TTL": "86400",
        "AWS.SNS.MOBILE.APNS.PUSH_TYPE": "background",
        "AWS.SNS.MOBILE.APNS.PRIORITY": "5",
    }


def test_a_push_for_fcm(clients: Clients, gateway: SNSPushGateway) -> None:
    payload = render(Platform.FCM, NOTICE)
    sns = ScriptedSNS(clients, done("Publish"))
    gateway.send(endpoint_of("GCM"), Push(payload, "r1", 90))
    (message,) = json.loads(sns.calls[0]["Message"]).items()
    assert message[0] == "GCM"
    assert json.loads(message[1]) == {"fcmV1Message": {"message": payload}}
    assert payload["android"] == {"notification": {"tag": NOTICE.record}}
    assert all(isinstance(value, str) for value in payload["data"].values())
    assert sns.message_attributes() == {"AWS.SNS.MOBILE.FCM.TTL": "90"}


def test_silent_pushes_for_fcm_do_not_replace_each_other(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    sns = ScriptedSNS(clients, done("Publish"))
    payload = render(Platform.FCM, SILENT)
    gateway.send(endpoint_of("GCM"), Push(payload, "r1"))
    assert sns.published()["GCM"]["fcmV1Message"]["message"] == payload
    assert "android" not in payload


def test_a_collapse_id_that_is_too_long_for_apns_is_told_by_its_digest(
    clients: Clients, gateway: SNSPushGateway
) -> None:
    sns = ScriptedSNS(clients, *[done("Publish")] * 4)
    told = []
    for id in ("x" * 64, "ü" * 33, "ü" * 33, "ü" * 34):
        gateway.send(ONE, Push({}, id))
        told.append(sns.message_attributes()["AWS.SNS.MOBILE.APNS.COLLAPSE_ID"])
    assert told[0] == "x" * 64
    assert {len(one.encode()) for one in told} == {64}
    assert told[1] == told[2] != told[3]


def test_a_payload_over_4_kilobytes_is_not_sent(clients: Clients, gateway: SNSPushGateway) -> None:
    sns = ScriptedSNS(clients)
    assert gateway.send(ONE, Push({"text": "ü" * 2100})) is PushOutcome.TOO_LARGE
    assert sns.calls == []


def test_characters_of_all_kinds_arrive(clients: Clients, gateway: SNSPushGateway) -> None:
    text = 'ü𝄞 "quoted" \\ &<>\n'
    sns = ScriptedSNS(clients, done("Publish"))
    gateway.send(ONE, Push({"aps": {"alert": {"body": text}}}))
    assert sns.published() == {"APNS": {"aps": {"alert": {"body": text}}}}
