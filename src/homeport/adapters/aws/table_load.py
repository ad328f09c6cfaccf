"""What the table had to do: CloudWatch's figures of the last day, by the minute.

They are of the whole table. Which partition key took how much is told by CloudWatch Contributor
Insights alone, for a table where it is switched on. Both know minutes: what was taken within one
second of a minute is not in them, but what was refused then is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients

LIMIT: Final = 3000.0
"""Units a second that one partition takes, as Contributor Insights counts them: a read unit is
one, a write unit is three. That is 3,000 read units, or 1,000 write units, or some of both."""
WRITE: Final = 3.0
WARN_AT: Final = 0.7

_MINUTE: Final = 60
_DAY: Final = timedelta(days=1)
_PAGES: Final = 20
"""Of a day's minutes, which one page has as a rule."""
_KEYS: Final = 25
"""All that Contributor Insights tells of a table."""
_ACCESSED: Final = "DynamoDBContributorInsights-PKC-"
"""How the rule begins that counts accesses by partition key."""
_METRICS: Final = {
    "writes": "ConsumedWriteCapacityUnits",
    "reads": "ConsumedReadCapacityUnits",
    "write_throttles": "WriteThrottleEvents",
    "read_throttles": "ReadThrottleEvents",
    "write_hot": "WriteKeyRangeThroughputThrottleEvents",
    "read_hot": "ReadKeyRangeThroughputThrottleEvents",
}


@dataclass(frozen=True, slots=True)
class Load:
    """The busiest minute of the last day, each kind's own: `writes` and `reads` in units a
    second, and `units` in those of `LIMIT`. `hot` requests, and parts of such, were refused since
    they were too many for one partition, `refused` ones for any reason, this one included."""

    writes: float
    reads: float
    units: float
    hot: int
    refused: int

    @property
    def share(self) -> float:
        """Of what one partition takes: none can have taken more than the table."""
        return self.units / LIMIT


@dataclass(frozen=True, slots=True)
class Hot:
    """What a partition key took in its busiest minute, in units a second of `LIMIT`."""

    partition: str
    units: float

    @property
    def share(self) -> float:
        return self.units / LIMIT


def load(clients: Clients, table: str, now: datetime) -> Load:
    """The load of the day before `now`; all zero where CloudWatch has nothing of the table.

    Raises ClientError or BotoCoreError.
    """
    found = _minutes(clients, table, now)
    writes, reads = found["writes"], found["reads"]
    units = [WRITE * writes.get(at, 0) + reads.get(at, 0) for at in writes.keys() | reads.keys()]
    hot, refused = (
        round(sum(sum(found[f"{kind}_{what}"].values()) for kind in ("write", "read")))
        for what in ("hot", "throttles")
    )
    return Load(
        max(writes.values(), default=0) / _MINUTE,
        max(reads.values(), default=0) / _MINUTE,
        max(units, default=0) / _MINUTE,
        hot,
        max(hot, refused),
    )


def hottest(clients: Clients, table: str, now: datetime) -> list[Hot] | None:
    """The partition keys that took most in a minute of the day before `now`, those first; None
    where Contributor Insights is not on, or tells of refused requests alone.

    Raises ClientError or BotoCoreError.
    """
    insights = clients.get("dynamodb").describe_contributor_insights(TableName=table)
    rules = [
        one
        for one in insights.get("ContributorInsightsRuleList", ())
        if one.startswith(_ACCESSED) and insights.get("ContributorInsightsStatus") == "ENABLED"
    ]
    if not rules:
        return None
    answer = clients.get("cloudwatch").get_insight_rule_report(
        RuleName=rules[0],
        StartTime=_floor(now) - _DAY,
        EndTime=_floor(now),
        Period=_MINUTE,
        MaxContributorCount=_KEYS,
        OrderBy="Maximum",
    )
    found = [
        Hot(
            one["Keys"][0],
            max((at["ApproximateValue"] for at in one["Datapoints"]), default=0) / _MINUTE,
        )
        for one in answer.get("Contributors", ())
    ]
    return sorted(found, key=lambda one: one.units, reverse=True)


def own_limits(description: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Write and read units a second that the table itself is bounded to, as DescribeTable tells;
    None where it is not. What scales by itself is bounded to what it is scaled to now."""
    if description.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST":
        of: Any = description.get("OnDemandThroughput", {})
        found = (of.get("MaxWriteRequestUnits"), of.get("MaxReadRequestUnits"))
    else:
        of = description.get("ProvisionedThroughput", {})
        found = (of.get("WriteCapacityUnits"), of.get("ReadCapacityUnits"))
    writes, reads = (float(one) if one is not None and one > 0 else None for one in found)
    return writes, reads


def _minutes(clients: Clients, table: str, now: datetime) -> dict[str, dict[datetime, float]]:
    """Each metric's sums by minute. A minute without any is not there."""
    cloudwatch = clients.get("cloudwatch")
    found: dict[str, dict[datetime, float]] = {name: {} for name in _METRICS}
    more: dict[str, Any] = {}
    for _ in range(_PAGES):
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=_queries(table),
            StartTime=_floor(now) - _DAY,
            EndTime=_floor(now),
            **more,
        )
        for one in answer["MetricDataResults"]:
            found[one["Id"]].update(zip(one["Timestamps"], one["Values"], strict=True))
        if not answer.get("NextToken"):
            break
        more = {"NextToken": answer["NextToken"]}
    return found


def _queries(table: str) -> Sequence[dict[str, Any]]:
    return [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/DynamoDB",
                    "MetricName": metric,
                    "Dimensions": [{"Name": "TableName", "Value": table}],
                },
                "Period": _MINUTE,
                "Stat": "Sum",
            },
        }
        for name, metric in _METRICS.items()
    ]


def _floor(at: datetime) -> datetime:
    """The beginning of a minute, to which CloudWatch's are aligned."""
    return at.replace(second=0, microsecond=0)
