"""`homeport doctor` on how near the table is to what one partition can: from 70 % on it warns, and
what it does not know it says. No fault ever comes of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from moto.dynamodb.models import dynamodb_backends

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.table_calls import Table
from homeport.adapters.aws.table_sizes import LIMIT, Noted, Size, note
from homeport.testing.cloudsearch import CloudSearchEmulator
from tests.aws.ministack import Ministack
from tests.aws.operating import Command, Deployed, deployed, domain, forbid, homeport

__all__ = ["deployed", "domain", "homeport"]  # fixtures

_COUNTED = datetime.now(UTC) - timedelta(days=6)
_RULE = "DynamoDBContributorInsights-PKC-homeport-1"

Room = Callable[[str], tuple[str, str]]


@pytest.fixture
def room(homeport: Command) -> Room:
    def room(name: str) -> tuple[str, str]:
        """The status of the findings of that name, and all that they say."""
        code, out, err = homeport("doctor", "--json")
        assert (code, err) == (0, ""), out
        found = [one for one in json.loads(out)["checks"] if one["name"] == name]
        (status,) = {one["status"] for one in found}
        return status, " ".join(f"{one['detail']} {one['cure']}".strip() for one in found)

    return room


@pytest.fixture
def described(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let DescribeTable tell more of the table."""

    def described(index_bytes: int = 0, **more: Any) -> None:
        table = dynamodb_backends["123456789012"]["eu-west-1"].get_table("homeport")
        describe = table.describe

        def told(base_key: str = "TableDescription") -> Any:
            answer = describe(base_key)
            answer[base_key].update(more)
            answer[base_key]["LocalSecondaryIndexes"][0]["IndexSizeBytes"] = index_bytes
            return answer

        monkeypatch.setattr(table, "describe", told)

    return described


def _bytes(share: float) -> int:
    return round(LIMIT * share)


# Size


@pytest.mark.parametrize(("share", "status"), [(0.69, "ok"), (0.7, "warning"), (0.71, "warning")])
def test_a_table_below_one_partitions_limit_is_well(
    described: Callable[..., None], room: Room, share: float, status: str
) -> None:
    described(_bytes(0.1), TableSizeBytes=_bytes(share - 0.1))
    found, told = room("size")
    assert found == status
    if status == "ok":
        assert told == "6.9 GB in all, as of hours ago: no partition is near its 10.0 GB"
    else:
        assert told.startswith("Cannot tell whether a partition is near its 10.0 GB")
        assert told.endswith("Run: homeport shards --sizes")


@pytest.mark.parametrize(("share", "status"), [(0.69, "ok"), (0.7, "warning"), (0.71, "warning")])
def test_what_was_counted_decides_in_a_larger_table(
    deployed: Deployed, described: Callable[..., None], room: Room, share: float, status: str
) -> None:
    described(TableSizeBytes=_bytes(50))
    _counted(deployed, 50, Size("public#3", _bytes(share), "recipes"))
    found, told = room("size")
    assert found == status
    assert f'hard 3 of the space "public" has {share * 10:.1f} GB of 10.0 GB' in told
    assert f"({share:.0%})".replace("%", " %") in told
    assert f"as counted on {_COUNTED:%Y-%m-%d}" in told
    if status == "warning":
        assert "Most of it is the collection recipes: export it" in told


@pytest.mark.parametrize(("now", "status"), [(50, "ok"), (50.19, "ok"), (50.21, "warning")])
def test_what_the_table_has_grown_by_since_may_all_be_in_one_partition(
    deployed: Deployed, described: Callable[..., None], room: Room, now: float, status: str
) -> None:
    described(TableSizeBytes=_bytes(now))
    _counted(deployed, 50, Size("public#3", _bytes(0.5), "recipes"))
    found, told = room("size")
    assert found == status
    if status == "warning":
        assert "Cannot tell" in told
        assert "grown by 2.1 GB since" in told
        assert "homeport shards --sizes" in told


@pytest.mark.parametrize(
    ("now", "days", "why"),
    [
        (49.99, 6, "has become smaller since"),
        (50, 8, "more than 7 days ago"),
        (90, 8, "more than 7 days ago"),
    ],
)
def test_a_count_of_a_table_that_was_larger_or_from_long_ago_tells_nothing(
    deployed: Deployed, described: Callable[..., None], room: Room, now: float, days: int, why: str
) -> None:
    """What time to live takes away elsewhere hides what one partition has grown by."""
    described(TableSizeBytes=_bytes(now))
    _counted(deployed, 50, Size("public#3", _bytes(0.1), "recipes"), days=days)
    status, told = room("size")
    assert status == "warning"
    assert told.startswith("Cannot tell: ")
    assert why in told
    assert told.endswith("it may have grown by any amount. Run: homeport shards --sizes")


def test_a_partition_that_is_no_spaces_is_told_by_its_key(
    deployed: Deployed, described: Callable[..., None], room: Room
) -> None:
    described(TableSizeBytes=_bytes(9))
    _counted(deployed, 9, Size("#identity#07", _bytes(0.8), ""))
    status, told = room("size")
    assert status == "warning"
    assert 'The partition "#identity#07" has 8.0 GB' in told
    assert "the collection" not in told


def test_a_count_is_what_doctor_asks_for(
    deployed: Deployed, described: Callable[..., None], room: Room, homeport: Command
) -> None:
    described(TableSizeBytes=_bytes(9))
    assert room("size")[0] == "warning"
    code, out, _ = homeport("shards", "--sizes")
    assert (code, out) == (0, "There is nothing in the table.\n")
    assert room("size")[0] == "ok"


def test_sizes_are_told_with_a_warning_where_there_is_little_room(
    deployed: Deployed, homeport: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [("public#0", "recipes#1"), ("public#1", "recipes#2"), ("#identity#07", "x")]
    units = iter([0.69, 0.7, 0.1])
    pages = [
        ([{"pk": {"S": pk}, "sk": {"S": sk}}], {"pk": {"S": pk}} if more else None, next(units))
        for more, (pk, sk) in zip((1, 1, 0), items, strict=True)
    ]
    told = iter([(one[0], one[1], one[2] * LIMIT / 8192) for one in pages] * 2)
    monkeypatch.setattr(Table, "scan_metered", lambda *_, **__: next(told))
    code, out, _ = homeport("shards", "--sizes", "--rate", "1e12")
    assert code == 0
    assert out.splitlines() == [
        'WARNING: shard 1 of the space "public": 7.0 GB of 10.0 GB (70 %), most of it in recipes',
        'shard 0 of the space "public": 6.9 GB of 10.0 GB (69 %), most of it in recipes',
        'the partition "#identity#07": 1.0 GB of 10.0 GB (10 %)',
    ]
    code, out, _ = homeport("shards", "--sizes", "--rate", "1e12", "--json")
    found = json.loads(out)
    assert (code, found[0]["partition"], found[0]["collection"]) == (0, "public#1", "recipes")
    assert [one["share"] for one in found] == [0.7, 0.69, 0.1]
    assert found[0]["bytes"] == pytest.approx(0.7 * LIMIT, rel=1e-4)


def test_a_rate_is_more_than_nothing(homeport: Command, deployed: Deployed) -> None:
    code, _, err = homeport("shards", "--sizes", "--rate", "0")
    assert (code, "--rate" in err) == (2, True)


def _counted(deployed: Deployed, table_share: float, largest: Size, days: int = 6) -> None:
    as_of = int((_COUNTED + timedelta(days=6 - days)).timestamp() * 1_000_000)
    note(Table(deployed.clients, "homeport"), Noted(as_of, _bytes(table_share), largest))


# Rate


@pytest.fixture
def without_insights(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a table is at first. moto has no answer of its own."""
    _answer(monkeypatch, {"ContributorInsightsStatus": "DISABLED"})


def test_without_any_load_nothing_is_near_its_limit(deployed: Deployed, room: Room) -> None:
    assert room("rate") == ("ok", "no load in the last day, as far as CloudWatch tells")


@pytest.mark.usefixtures("without_insights")
@pytest.mark.parametrize(
    ("writes", "reads", "share"),
    [(690, 0, 69), (700, 0, 70), (710, 0, 71), (0, 2070, 69), (0, 2100, 70), (400, 900, 70)],
)
def test_a_table_below_one_partitions_rate_is_well(
    deployed: Deployed, room: Room, writes: float, reads: float, share: int
) -> None:
    _busy(deployed, 30, writes=writes, reads=reads)
    _busy(deployed, 29, writes=1, reads=1)
    status, told = room("rate")
    assert f"at most {writes or 1} write and {reads or 1:,} read units a second" in told
    if share < 70:
        assert status == "ok"
        assert f"{share} % of what one partition takes" in told
    else:
        assert status == "warning"
        assert told.startswith("Cannot tell")


@pytest.mark.usefixtures("without_insights")
def test_the_busiest_minute_is_one_in_which_both_were(deployed: Deployed, room: Room) -> None:
    """Each alone is 60 %; they did not happen at once."""
    _busy(deployed, 30, writes=600, reads=0)
    _busy(deployed, 40, writes=0, reads=1800)
    assert room("rate")[0] == "ok"
    _busy(deployed, 30, writes=0, reads=300)
    assert room("rate")[0] == "warning"


@pytest.mark.usefixtures("without_insights")
def test_what_was_more_than_a_day_ago_does_not_count(deployed: Deployed, room: Room) -> None:
    _busy(deployed, 24 * 60 + 5, writes=5000, reads=0)
    assert room("rate")[1].startswith("no load")
    _busy(deployed, 24 * 60 - 5, writes=5000, reads=0)
    assert room("rate")[0] == "warning"


def test_other_tables_do_not_count(deployed: Deployed, room: Room) -> None:
    _put(deployed, "ConsumedWriteCapacityUnits", 30, 5000 * 60, table="another")
    assert room("rate")[1].startswith("no load")


@pytest.mark.parametrize("kind", ["Read", "Write"])
def test_requests_that_one_partition_refused_are_told(
    deployed: Deployed, room: Room, kind: str
) -> None:
    for metric in (f"{kind}ThrottleEvents", f"{kind}KeyRangeThroughputThrottleEvents"):
        _put(deployed, metric, 30, 7)
    status, told = room("rate")
    assert status == "warning"
    assert "7 requests of the last day were too many for one partition." in told
    assert "more `shards`" in told
    assert "for the table" not in told


def test_refused_requests_of_all_kinds_and_minutes_are_counted(
    deployed: Deployed, room: Room
) -> None:
    for kind, minutes_ago in (("Read", 30), ("Write", 30), ("Write", 31)):
        _put(deployed, f"{kind}ThrottleEvents", minutes_ago, 7)
        _put(deployed, f"{kind}KeyRangeThroughputThrottleEvents", minutes_ago, 2)
    told = room("rate")[1]
    assert "6 requests of the last day were too many for one partition." in told
    assert "15 requests of the last day were too many for the table" in told


@pytest.mark.parametrize("kind", ["Read", "Write"])
def test_requests_that_the_table_refused_are_told(
    deployed: Deployed, room: Room, kind: str
) -> None:
    _put(deployed, f"{kind}ThrottleEvents", 30, 9)
    status, told = room("rate")
    assert status == "warning"
    assert "9 requests of the last day were too many for the table, or the account." in told
    assert "for one partition" not in told


@pytest.mark.parametrize(("taken", "status"), [(69, "ok"), (70, "warning"), (71, "warning")])
@pytest.mark.parametrize("kind", ["Write", "Read"])
@pytest.mark.parametrize("provisioned", [True, False])
def test_the_tables_own_limits_count_too(
    deployed: Deployed,
    described: Callable[..., None],
    room: Room,
    kind: str,
    provisioned: bool,
    taken: float,
    status: str,
) -> None:
    if provisioned:
        described(
            BillingModeSummary={"BillingMode": "PROVISIONED"},
            ProvisionedThroughput={"ReadCapacityUnits": 100, "WriteCapacityUnits": 100},
        )
    else:
        described(OnDemandThroughput={"MaxReadRequestUnits": 100, "MaxWriteRequestUnits": 100})
    _put(deployed, f"Consumed{kind}CapacityUnits", 30, taken * 60)
    found, told = room("rate")
    assert found == status
    if status == "warning":
        assert f"The table took {taken} {kind.lower()} units a second" in told
        assert f"{taken} % of the 100 that it is bounded to" in told


def test_a_table_without_limits_of_its_own_has_none(
    deployed: Deployed, described: Callable[..., None], room: Room
) -> None:
    described(OnDemandThroughput={"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1})
    _busy(deployed, 30, writes=100, reads=100)
    assert room("rate")[0] == "ok"


# Which partition it was


@pytest.mark.parametrize(("units", "status"), [(2070, "ok"), (2100, "warning"), (2130, "warning")])
def test_the_busiest_partition_is_told_where_insights_know_it(
    deployed: Deployed,
    room: Room,
    monkeypatch: pytest.MonkeyPatch,
    units: float,
    status: str,
) -> None:
    _busy(deployed, 30, writes=5000, reads=0)
    _answer(
        monkeypatch,
        _insights([_RULE.replace("PKC", "SKC"), _RULE]),
        {"Contributors": [_key("ann#0", 12), _key("public#3", 1, units, 7)]},
    )
    found, told = room("rate")
    assert found == status
    assert f'hard 3 of the space "public" took {units // 30} % of what' in told
    assert "ann" not in told


@pytest.mark.parametrize(
    "insights",
    [
        {"ContributorInsightsStatus": "DISABLED"},
        {"ContributorInsightsStatus": "DISABLED", "ContributorInsightsRuleList": [_RULE]},
        {
            "ContributorInsightsStatus": "ENABLED",
            "ContributorInsightsRuleList": [_RULE.replace("PKC", "PKT")],
        },
    ],
)
def test_insights_that_do_not_count_accesses_are_asked_for(
    deployed: Deployed, room: Room, monkeypatch: pytest.MonkeyPatch, insights: Any
) -> None:
    _busy(deployed, 30, writes=5000, reads=0)
    _answer(monkeypatch, insights)
    status, told = room("rate")
    assert status == "warning"
    assert told.startswith("Cannot tell whether one partition took most of it")
    assert "Contributor Insights on for the table, for accessed keys" in told


def test_insights_that_have_seen_nothing_yet_know_nothing(
    deployed: Deployed, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    _busy(deployed, 30, writes=5000, reads=0)
    _answer(monkeypatch, _insights([_RULE]), {"Contributors": []})
    assert room("rate")[1].startswith("Cannot tell whether one partition took most of it")


# Who cannot be asked


def test_an_emulator_beside_it_is_no_fault(
    ministack: Ministack, domain: CloudSearchEmulator, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a CloudWatch, and Contributor Insights without a report."""
    there = Deployed(Clients(session=ministack.session), domain)
    there.prefix = there.bucket = f"homeport-{uuid.uuid4().hex}"
    there.create(push=False)
    settings = {name: value for name, value in there.settings().items() if "PUSH" not in name}
    for name, value in {**settings, "AWS_ENDPOINT_URL": ministack.endpoint}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled")
    assert room("size")[0] == "ok"
    assert room("rate")[0] == "ok"
    _put(there, "ConsumedWriteCapacityUnits", 30, 5000 * 60, table=there.table)
    status, told = room("rate")
    assert status == "warning"
    assert told.startswith("Cannot tell")
    there.clients.get("dynamodb").update_contributor_insights(
        TableName=there.table, ContributorInsightsAction="ENABLE"
    )
    status, told = room("rate")
    assert status == "warning"
    assert told.startswith("Cannot tell")


@pytest.mark.parametrize(
    ("operation", "writes"),
    [
        ("cloudwatch.GetMetricData", 0),
        ("dynamodb.DescribeContributorInsights", 5000),
        ("cloudwatch.GetInsightRuleReport", 5000),
    ],
)
def test_what_is_not_permitted_is_said(
    deployed: Deployed,
    room: Room,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    writes: float,
) -> None:
    _busy(deployed, 30, writes=writes, reads=0)
    forbid(monkeypatch, operation)
    _answer(monkeypatch, _insights([_RULE]))
    status, told = room("rate")
    assert status == "warning"
    assert f"Cannot tell: AWS does not permit {operation.replace('.', ':')}" in told


def test_an_engine_without_cloudwatch_is_no_fault(
    deployed: Deployed, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, "cloudwatch.GetMetricData", code="UnknownOperationException")
    status, told = room("rate")
    assert status == "warning"
    assert "Cannot tell: AWS refuses (UnknownOperationException)" in told


def test_a_table_elsewhere_is_not_looked_for_in_cloudwatch(
    deployed: Deployed, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which would tell of a table of the same name, if of any."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:9")
    status, told = room("rate")
    assert status == "warning"
    assert told.startswith("Cannot tell: the table stands at an endpoint")


def test_a_table_that_is_not_there_is_told_once(deployed: Deployed, homeport: Command) -> None:
    deployed.clients.get("dynamodb").delete_table(TableName="homeport")
    _, out, _ = homeport("doctor", "--json")
    assert {one["name"] for one in json.loads(out)["checks"]} & {"size", "rate"} == set()


def _busy(deployed: Deployed, minutes_ago: int, *, writes: float, reads: float) -> None:
    """So many units a second in a minute of the last day."""
    for metric, units in (("Write", writes), ("Read", reads)):
        if units:
            _put(deployed, f"Consumed{metric}CapacityUnits", minutes_ago, units * 60)


def _put(
    deployed: Deployed, metric: str, minutes_ago: int, value: float, table: str = "homeport"
) -> None:
    at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=minutes_ago)
    deployed.clients.get("cloudwatch").put_metric_data(
        Namespace="AWS/DynamoDB",
        MetricData=[
            {
                "MetricName": metric,
                "Dimensions": [{"Name": "TableName", "Value": table}],
                "Timestamp": at,
                "Value": value,
            }
        ],
    )


def _insights(rules: list[str]) -> dict[str, Any]:
    return {"ContributorInsightsStatus": "ENABLED", "ContributorInsightsRuleList": rules}


def _key(partition: str, *units: float) -> dict[str, Any]:
    """A partition key with so many units a second in each of some minutes."""
    return {"Keys": [partition], "Datapoints": [{"ApproximateValue": one * 60} for one in units]}


def _answer(
    monkeypatch: pytest.MonkeyPatch,
    insights: Mapping[str, Any],
    report: Mapping[str, Any] | None = None,
) -> None:
    """Let Contributor Insights, which moto does not have, answer so, in clients made from now on.
    The report has to be asked for by the one rule that counts accesses by partition key."""
    make: Any = botocore.session.Session.create_client

    def answer(told: Any) -> Callable[..., Any]:
        return lambda **_: (type("Response", (), {"status_code": 200, "headers": {}})(), told)

    def reported(params: Any, **_: Any) -> Any:
        assert _RULE.encode() in params["body"]
        return answer(report)()

    def client(session: Any, service: str, *args: Any, **kwargs: Any) -> Any:
        made: Any = make(session, service, *args, **kwargs)
        events = made.meta.events
        if service == "dynamodb":
            events.register("before-call.*.DescribeContributorInsights", answer(insights))
        elif service == "cloudwatch" and report is not None:
            events.register("before-call.*.GetInsightRuleReport", reported)
        return made

    monkeypatch.setattr(botocore.session.Session, "create_client", client)
