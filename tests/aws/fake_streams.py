"""A DynamoDB stream whose shards split, end, expire and forget: what no emulator shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from homeport.adapters.aws.clients import Clients

STREAM = "arn:aws:dynamodb:eu-west-1:1:table/t/stream/1"


class _Expired(ClientError):
    pass


class _Trimmed(ClientError):
    pass


class _Exceptions:
    ExpiredIteratorException = _Expired
    TrimmedDataAccessException = _Trimmed


class FakeStreams:
    """Speaks as boto3's `dynamodbstreams` client does. Shards are given with their parents."""

    exceptions = _Exceptions

    def __init__(self, shards: Mapping[str, str | None], page: int = 100) -> None:
        self._parents = dict(shards)
        self._records: dict[str, list[dict[str, Any]]] = {name: [] for name in shards}
        self._trimmed: dict[str, int] = dict.fromkeys(shards, 0)
        self._closed: set[str] = set()
        self._page = page
        self._generation = 0
        self._numbers = 1000
        self.reads = 0
        self.clients = Clients(session=self)  # type: ignore[arg-type]  # speaks as a session

    def client(self, service: str, **_: Any) -> Any:
        assert service in ("dynamodb", "dynamodbstreams")
        return self

    # What happens in the stream

    def put(self, shard: str, *names: str) -> None:
        """Records of the items with these sort keys."""
        for name in names:
            self.add(shard, {"Keys": {"pk": {"S": "s#0"}, "sk": {"S": name}}})

    def add(self, shard: str, told: Mapping[str, Any], **more: Any) -> str:
        """One record; returns its sequence number."""
        self._numbers += 1
        sequence = str(self._numbers)
        self._records[shard].append(
            {
                "eventID": sequence,
                "eventName": "INSERT",
                "dynamodb": {"SequenceNumber": sequence, **told},
                **more,
            }
        )
        return sequence

    def close(self, shard: str) -> None:
        self._closed.add(shard)

    def split(self, parent: str, *children: str) -> None:
        self.close(parent)
        for child in children:
            self._parents[child], self._records[child], self._trimmed[child] = parent, [], 0

    def expire_iterators(self) -> None:
        self._generation += 1

    def trim(self, shard: str, count: int) -> None:
        """Forget the first records."""
        self._trimmed[shard] = count

    def forget(self, shard: str) -> None:
        """Drop a whole shard, a day after its end."""
        del self._parents[shard]

    # What boto3's clients offer

    def describe_table(self, **_: Any) -> dict[str, Any]:
        return {
            "Table": {
                "LatestStreamArn": STREAM,
                "StreamSpecification": {"StreamEnabled": True},
            }
        }

    def describe_stream(self, **asked: Any) -> dict[str, Any]:
        assert asked["StreamArn"] == STREAM
        names = list(self._parents)
        start = asked.get("ExclusiveStartShardId")
        first = 0 if start is None else names.index(start) + 1
        page = names[first : first + self._page]
        described: dict[str, Any] = {
            "Shards": [
                {"ShardId": one, "ParentShardId": self._parents[one]}
                if self._parents[one]
                else {"ShardId": one}
                for one in page
            ]
        }
        if first + self._page < len(names):
            described["LastEvaluatedShardId"] = page[-1]
        return {"StreamDescription": described}

    def get_shard_iterator(self, **asked: Any) -> dict[str, Any]:
        shard = asked["ShardId"]
        records = self._records[shard]
        if asked["ShardIteratorType"] == "TRIM_HORIZON":
            place = self._trimmed[shard]
        else:
            after = int(asked["SequenceNumber"])
            place = sum(int(one["eventID"]) <= after for one in records)
            if place < self._trimmed[shard]:
                raise _error(_Trimmed, "TrimmedDataAccessException")
        return {"ShardIterator": f"{self._generation}/{shard}/{place}"}

    def get_records(self, **asked: Any) -> dict[str, Any]:
        self.reads += 1
        generation, shard, place = asked["ShardIterator"].split("/")
        if int(generation) != self._generation:
            raise _error(_Expired, "ExpiredIteratorException")
        first = int(place)
        found = self._records[shard][first : first + asked["Limit"]]
        answer: dict[str, Any] = {"Records": found}
        end = first + len(found)
        if shard not in self._closed or end < len(self._records[shard]):
            answer["NextShardIterator"] = f"{generation}/{shard}/{end}"
        return answer


def _error(kind: type[ClientError], code: str) -> ClientError:
    return kind({"Error": {"Code": code, "Message": code}}, "GetRecords")
