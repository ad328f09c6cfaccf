"""`homeport doctor` with AWS adapters: each fault brought about, told with its cure."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homeport.adapters.aws.search_fields import index_fields
from homeport.container import build
from homeport.definition import Definition, load
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.entrypoints.cli import aws_checks
from homeport.testing.cloudsearch import CloudSearchEmulator
from tests.aws.operating import (
    Command,
    Deployed,
    deployed,
    domain,
    emulated,
    forbid,
    homeport,
    without_credentials,
)
from tests.aws.search_domains import emulated_fields

__all__ = ["deployed", "domain", "homeport"]  # fixtures

Doctor = Callable[..., list[dict[str, str]]]


@pytest.fixture
def doctor(homeport: Command) -> Doctor:
    def examine() -> list[dict[str, str]]:
        """What is not well."""
        code, out, err = homeport("doctor", "--json")
        assert err == ""
        found: list[dict[str, str]] = json.loads(out)["checks"]
        for one in found:
            assert (one["status"] == "ok") is (one["cure"] == ""), one
        assert code == any(one["status"] == "fault" for one in found)
        return [one for one in found if one["status"] != "ok"]

    return examine


def only(found: list[dict[str, str]], name: str, status: str, *words: str) -> None:
    """The one thing that is not well."""
    (one,) = found
    assert (one["name"], one["status"]) == (name, status), one
    for word in words:
        assert word in f"{one['detail']} {one['cure']}", one


def test_all_is_well(deployed: Deployed, homeport: Command, doctor: Doctor) -> None:
    assert doctor() == []
    code, out, _ = homeport("doctor")
    assert code == 0
    assert "All is well." in out
    for word in ("123456789012", "homeport is ACTIVE", "both endpoints answer", "index fields"):
        assert word in out
    for word in ("folder", "disk", "database", "lock", "FOOBAR", "SECRET"):
        assert word not in out


def test_nothing_is_changed(deployed: Deployed, doctor: Doctor) -> None:
    doctor()
    assert deployed.clients.get("dynamodb").scan(TableName="homeport")["Items"] == []
    assert deployed.domain.documents() == {}


def test_all_faults_are_told_at_once(
    deployed: Deployed, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.clients.get("dynamodb").delete_table(TableName="homeport")
    for name in ("homeport-messages", "homeport-parked"):
        deployed.drop_queue(name)
    deployed.clients.get("s3").delete_bucket(Bucket="failed-batches")
    deployed.clients.get("sns").delete_platform_application(
        PlatformApplicationArn=deployed.application
    )
    deployed.domain.stop()
    found = doctor()
    assert {one["status"] for one in found} == {"fault"}
    told = [f"{one['name']}: {one['detail']} {one['cure']}" for one in found]
    for words in (
        "table: There is no table homeport. Create it, or set aws.table",
        "queue: There is no queue homeport-messages. Create it, or set aws.messages_queue",
        "queue: There is no queue homeport-parked. Create it, or set aws.parked_queue",
        "failed batches: There is no bucket failed-batches.",
        "push: SNS has no platform application",
        "search: CloudSearch cannot be reached",
    ):
        assert [one for one in told if one.startswith(words)], (words, told)


# Settings, and who asks


def test_the_packages_are_missing(doctor: Doctor, deployed: Deployed, monkeypatch: Any) -> None:
    from importlib import metadata

    version = metadata.version

    def without(name: str) -> str:
        if name == "boto3":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without)
    monkeypatch.setitem(sys.modules, "boto3", None)
    only(doctor(), "packages", "fault", "boto3", "homeport[aws]")


def test_there_is_no_region(deployed: Deployed, doctor: Doctor, monkeypatch: Any) -> None:
    monkeypatch.delenv("HOMEPORT_AWS__REGION")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    only(doctor(), "account", "fault", "No AWS region is set", "AWS_REGION")


def test_there_are_no_credentials(
    deployed: Deployed, doctor: Doctor, monkeypatch: Any, tmp_path: Path
) -> None:
    with without_credentials(monkeypatch, tmp_path):
        only(doctor(), "account", "fault", "no AWS credentials", "AWS_PROFILE")


def test_there_is_no_such_profile(deployed: Deployed, doctor: Doctor, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    only(doctor(), "account", "fault", "no such AWS profile")


def test_the_credentials_are_over(deployed: Deployed, doctor: Doctor, monkeypatch: Any) -> None:
    forbid(monkeypatch, "sts.GetCallerIdentity", code="ExpiredToken")
    only(doctor(), "account", "fault", "ExpiredToken", "Renew them")


def test_who_this_is_cannot_be_asked_and_the_rest_is_looked_at(
    deployed: Deployed, doctor: Doctor, monkeypatch: Any
) -> None:
    forbid(monkeypatch, "sts.GetCallerIdentity")
    deployed.drop_queue("homeport-redriven")
    found = doctor()
    assert [one["name"] for one in found] == ["account", "queue"]


def test_endpoints_of_the_search_are_not_set(
    deployed: Deployed, doctor: Doctor, monkeypatch: Any
) -> None:
    monkeypatch.delenv("HOMEPORT_AWS__SEARCH_ENDPOINT")
    only(doctor(), "search", "fault", "aws.search_endpoint is not set")


# The table


def test_a_table_with_other_keys(deployed: Deployed, doctor: Doctor) -> None:
    dynamodb = deployed.clients.get("dynamodb")
    dynamodb.delete_table(TableName="homeport")
    deployed.create_table(
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        LocalSecondaryIndexes=None,
    )
    found = doctor()
    told = " ".join(one["detail"] for one in found)
    assert "id (HASH); Homeport's has pk (HASH) and sk (RANGE)" in told
    assert "no local index changes" in told
    (shards,) = [one for one in found if one["name"] == "shards"]
    assert "other keys" in shards["detail"]


@pytest.mark.parametrize(
    ("projection", "status", "words"),
    [
        ({"ProjectionType": "KEYS_ONLY"}, "fault", "tombstones"),
        ({"ProjectionType": "ALL"}, "warning", "once more"),
    ],
)
def test_an_index_that_holds_something_else(
    deployed: Deployed, doctor: Doctor, projection: Any, status: str, words: str
) -> None:
    from homeport.adapters.aws.table import definition

    index: Any = next(iter(definition("homeport").get("LocalSecondaryIndexes", ())))
    deployed.clients.get("dynamodb").delete_table(TableName="homeport")
    deployed.create_table(LocalSecondaryIndexes=[{**index, "Projection": projection}])
    only(doctor(), "table", status, words)


@pytest.mark.parametrize(
    ("specification", "words"),
    [
        ({"StreamEnabled": False}, "no stream"),
        ({"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}, "KEYS_ONLY alone"),
    ],
)
def test_a_stream_that_is_off_or_shows_too_little(
    deployed: Deployed, doctor: Doctor, specification: Any, words: str
) -> None:
    deployed.clients.get("dynamodb").delete_table(TableName="homeport")
    deployed.create_table(StreamSpecification=specification)
    only(doctor(), "table", "fault", words, "NEW_AND_OLD_IMAGES")


def test_time_to_live_is_off(deployed: Deployed, doctor: Doctor) -> None:
    deployed.clients.get("dynamodb").update_time_to_live(
        TableName="homeport", TimeToLiveSpecification={"Enabled": False, "AttributeName": "ttl"}
    )
    only(doctor(), "table", "fault", "Time to live is not on", "ttl")


def test_there_is_no_backup(deployed: Deployed, doctor: Doctor) -> None:
    deployed.clients.get("dynamodb").update_continuous_backups(
        TableName="homeport",
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
    )
    only(doctor(), "table", "warning", "Point-in-time recovery is off")


def test_a_table_that_is_being_made(
    deployed: Deployed, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.dynamodb.models import dynamodb_backends

    table = dynamodb_backends["123456789012"]["eu-west-1"].get_table("homeport")
    describe = table.describe

    def creating(base_key: str = "TableDescription") -> Any:
        answer = describe(base_key)
        answer[base_key]["TableStatus"] = "CREATING"
        return answer

    monkeypatch.setattr(table, "describe", creating)
    only(doctor(), "table", "fault", "CREATING", "Wait")


def test_shards_of_a_collection_that_has_records_from_before(
    deployed: Deployed, doctor: Doctor, tmp_path: Path
) -> None:
    store = build(load(Path(), os.environ), clients=deployed.clients).store
    for n in range(4):
        store.write([Put(Key("public", "later", f"r{n}"), "ann", Data.of({}))])
    (tmp_path / "homeport.toml").write_text("[collections.later]\nshards = 4\n")
    only(doctor(), "shards", "fault", "records in the table from before", "later.shards = 1")


def test_other_shards_than_the_table_was_laid_out_for(
    deployed: Deployed, doctor: Doctor, tmp_path: Path
) -> None:
    store = build(_sharded(4), clients=deployed.clients).store
    store.write([Put(Key("ann", "notes", "a"), "ann", Data.of({}))])
    (tmp_path / "homeport.toml").write_text("[collections.notes]\nshards = 2\n")
    only(doctor(), "shards", "fault", "4 shards", "collections.notes.shards = 4")


def _sharded(number: int) -> Definition:
    sharded = Definition.of({"collections": {"notes": {"shards": number}}})
    return replace(load(Path(), os.environ), collections=sharded.collections)


def test_what_may_not_be_looked_at_is_a_warning_and_what_is_needed_a_fault(
    deployed: Deployed, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, "dynamodb.DescribeTable", "dynamodb.GetItem")
    table, shards = doctor()
    assert (table["name"], table["status"]) == ("table", "warning")
    assert "dynamodb:DescribeTable" in table["detail"]
    assert (shards["name"], shards["status"]) == ("shards", "fault")
    assert "dynamodb:GetItem" in shards["detail"]


# Queues and what lies in them


@pytest.mark.parametrize(
    ("name", "attributes", "status", "words"),
    [
        ("homeport-messages", {"MaximumMessageSize": "262144"}, "warning", "1048576"),
        ("homeport-messages", {"VisibilityTimeout": "719"}, "warning", "VisibilityTimeout to 720"),
        ("homeport-redriven", {"VisibilityTimeout": "30"}, "warning", "VisibilityTimeout to 720"),
        ("homeport-parked", {"MessageRetentionPeriod": "345600"}, "warning", "after 4 days"),
    ],
)
def test_attributes_that_are_not_sane(
    deployed: Deployed, doctor: Doctor, name: str, attributes: Any, status: str, words: str
) -> None:
    deployed.set_queue(name, **attributes)
    only(doctor(), "queue", status, name, words)


@pytest.mark.parametrize(
    ("name", "target", "receives", "status", "words"),
    [
        ("homeport-messages", "homeport-messages-dead", 9, "warning", "to 10 or more"),
        ("homeport-messages", "homeport-redriven", 10, "warning", "which nobody looks at"),
        ("homeport-parked", "homeport-redriven", 10, "fault", "Take its redrive policy away"),
    ],
)
def test_a_redrive_policy_that_gets_in_the_way(
    deployed: Deployed,
    doctor: Doctor,
    name: str,
    target: str,
    receives: int,
    status: str,
    words: str,
) -> None:
    arn = f"arn:aws:sqs:eu-west-1:123456789012:{target}"
    policy = {"deadLetterTargetArn": arn, "maxReceiveCount": receives}
    deployed.set_queue(name, RedrivePolicy=json.dumps(policy))
    only(doctor(), "queue", status, words)


def test_a_redrive_policy_that_is_the_last_resort(deployed: Deployed, doctor: Doctor) -> None:
    arn = "arn:aws:sqs:eu-west-1:123456789012:homeport-messages-dead"
    policy = {"deadLetterTargetArn": arn, "maxReceiveCount": 10}
    deployed.set_queue("homeport-messages", RedrivePolicy=json.dumps(policy))
    assert doctor() == []


def test_the_wrong_kind_of_queue(
    deployed: Deployed, doctor: Doctor, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("HOMEPORT_AWS__REDRIVEN_QUEUE", "homeport-subscribers.fifo")
    only(doctor(), "queue", "fault", "FIFO", "aws.redriven_queue")
    monkeypatch.setenv("HOMEPORT_AWS__REDRIVEN_QUEUE", "homeport-redriven")
    monkeypatch.setenv("HOMEPORT_AWS__SUBSCRIBERS_QUEUE", "homeport-redriven")
    assert doctor() == [], "nobody subscribes"
    (tmp_path / "homeport.toml").write_text(
        '[[subscribers]]\nname = "app"\non = "notes"\ncall = "app:call"\n'
    )
    (tmp_path / "app.py").write_text("def call(event, record):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    only(doctor(), "queue", "fault", "no order", "aws.subscribers_queue")


def test_dead_letters_and_failed_batches(deployed: Deployed, doctor: Doctor) -> None:
    parked = build(load(Path(), os.environ), clients=deployed.clients).parked
    parked.park("indexing", "{}", "it failed", 5)
    deployed.clients.get("s3").put_object(Bucket="failed-batches", Key="aws/lambda/x", Body=b"{}")
    found = doctor()
    assert [(one["name"], one["status"]) for one in found] == [("dead letters", "warning")] * 2
    assert "1 in homeport-parked" in found[0]["detail"]
    assert "failed-batches" in found[1]["detail"]


# Pushes and search


def test_a_platform_application_that_is_disabled(deployed: Deployed, doctor: Doctor) -> None:
    deployed.clients.get("sns").set_platform_application_attributes(
        PlatformApplicationArn=deployed.application, Attributes={"Enabled": "false"}
    )
    only(doctor(), "push", "fault", "aws.push_applications.fcm", "enable it")


def test_no_platform_application(deployed: Deployed, doctor: Doctor, monkeypatch: Any) -> None:
    monkeypatch.delenv("HOMEPORT_AWS__PUSH_APPLICATIONS__FCM")
    only(doctor(), "push", "warning", "No platform application")


def test_a_domain_that_is_processing(deployed: Deployed, doctor: Doctor) -> None:
    deployed.domain.configuration.processing = True
    only(doctor(), "domain", "warning", "still processing")


def test_a_domain_that_lacks_fields(
    deployed: Deployed, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = emulated_fields()
    for lacking in ("n_*", "words"):
        del fields[lacking]
    fields["fk_*"] = "literal-array"
    with emulated(fields) as other:
        _at(other, monkeypatch)
        found = [one for one in doctor() if one["name"] == "domain"]
    assert {one["status"] for one in found} == {"fault"}
    told = " ".join(one["detail"] for one in found)
    assert "no index field words, n_*" in told
    assert "fk_* is not as needed: it is of the type literal-array" in told


def test_a_field_without_an_option(
    deployed: Deployed, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from homeport.testing.cloudsearch import Field

    fields = emulated_fields()
    fields["k_*"] = Field("literal-array", facet=False)
    with emulated(fields) as other:
        _at(other, monkeypatch)
        only(doctor(), "domain", "fault", "k_*", "FacetEnabled")


def test_words_in_another_language(deployed: Deployed, doctor: Doctor, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOMEPORT_SEARCH__LANGUAGE", "de")
    found = doctor()
    assert {one["name"] for one in found} == {"domain"}
    assert "AnalysisScheme is words_en, not words_de" in found[0]["detail"]


def test_a_domain_that_nobody_may_describe(
    deployed: Deployed, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, "cloudsearch.DescribeDomains")
    only(doctor(), "domain", "warning", "cloudsearch:DescribeDomains")


def test_a_domain_of_somebody_else(
    deployed: Deployed, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with emulated(emulated_fields()) as other:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDSEARCH", other.endpoint)
        only(doctor(), "domain", "fault", "aws.search_endpoint names")


def _at(domain: CloudSearchEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HOMEPORT_AWS__SEARCH_ENDPOINT",
        "HOMEPORT_AWS__DOCUMENT_ENDPOINT",
        "AWS_ENDPOINT_URL_CLOUDSEARCH",
    ):
        monkeypatch.setenv(name, domain.endpoint)


# Ports of both kinds


def test_each_port_is_looked_at_by_what_serves_it(
    deployed: Deployed, doctor: Doctor, monkeypatch: Any, homeport: Command
) -> None:
    monkeypatch.setenv("HOMEPORT_ADAPTERS__SEARCH_INDEX", "embedded")
    monkeypatch.setenv("HOMEPORT_ADAPTERS__MESSAGE_QUEUE", "memory")
    monkeypatch.setenv("HOMEPORT_ADAPTERS__PUSH_GATEWAY", "memory")
    deployed.domain.stop()
    deployed.drop_queue("homeport-messages")
    assert doctor() == []
    _, out, _ = homeport("doctor")
    assert "folder" in out
    assert "homeport-parked" in out


def test_without_aws_nothing_of_it_is_looked_at() -> None:
    assert list(aws_checks.looks(Definition())) == []


def test_every_index_field_is_compared() -> None:
    """A domain as it is configured from `index_fields` lacks nothing."""
    from homeport.entrypoints.cli.aws_search_checks import lacking

    for one in index_fields():
        assert lacking(one, one.definition()) == []
