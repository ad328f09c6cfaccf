"""What the tests create at AWS, or at what stands in for it: each thing in one place."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import boto3
from botocore.config import Config

from homeport.adapters.aws import table
from homeport.adapters.aws.clients import Clients

REGION = "eu-west-1"
THOROUGH = any(
    os.environ.get(name)
    for name in ("HOMEPORT_TEST_THOROUGH", "HOMEPORT_TEST_AWS", "HOMEPORT_TEST_DYNAMODB_ENDPOINT")
)
"""Whether the long contracts run on every engine there is, and with every layout; else each runs
once, on an engine of its own."""
_SECONDS = 30


class EndpointSession(boto3.Session):
    """A session whose clients all talk to one endpoint, unless they say another. They wait for
    it longer than for AWS: an emulator shares the machine with the tests."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
        self.endpoint = endpoint

    def client(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("endpoint_url") is None:
            kwargs["endpoint_url"] = self.endpoint
            patient = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS)
            kwargs["config"] = kwargs.get("config", patient).merge(patient)
        return super().client(*args, **kwargs)


def create_table(clients: Clients, *, whole_index: bool = False) -> str:
    """The records' table, ready for use, under a name that nobody used before; returns it.

    `whole_index` is for moto and ministack. A query of a local index that selects ALL_ATTRIBUTES
    fetches from the table what the index lacks (Developer Guide, "Local secondary indexes",
    fetches); the two leave it out, so their index has it all.
    """
    name = f"homeport-{uuid.uuid4().hex}"
    client = clients.get("dynamodb")
    definition: Any = table.definition(name)
    if whole_index:
        definition["LocalSecondaryIndexes"][0]["Projection"] = {"ProjectionType": "ALL"}
    client.create_table(**definition)
    client.get_waiter("table_exists").wait(
        TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    client.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": table.TTL}
    )
    return name


def fetches(clients: Clients) -> bool:
    """Whether queries of a local index fetch from the table what the index lacks, as DynamoDB's
    do; found out in a table that is removed again."""
    name = create_table(clients)
    client = clients.get("dynamodb")
    try:
        item: Any = {"pk": {"S": "p"}, "sk": {"S": "s"}, "lk": {"S": "l"}, "d": {"S": "fetched"}}
        client.put_item(TableName=name, Item=item)
        (found,) = client.query(
            TableName=name,
            IndexName=table.INDEX,
            Select="ALL_ATTRIBUTES",
            ConsistentRead=True,
            KeyConditionExpression="pk = :p",
            ExpressionAttributeValues={":p": {"S": "p"}},
        )["Items"]
    finally:
        delete_table(clients, name)
    return "d" in found


def delete_table(clients: Clients, name: str) -> None:
    clients.get("dynamodb").delete_table(TableName=name)


def create_bucket(clients: Clients) -> str:
    """A bucket under a name that nobody used before; returns the name."""
    name = f"homeport-{uuid.uuid4().hex}"
    s3 = clients.get("s3")
    region: Any = s3.meta.region_name
    # The oldest region takes no name for itself.
    where: Any = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else where))
    return name


@contextmanager
def removing(clients: Clients) -> Iterator[None]:
    """Queues and buckets that are created with these clients in a with-block are gone at its
    end."""
    sqs, s3 = clients.get("sqs"), clients.get("s3")
    queues: list[str] = []
    buckets: list[str] = []

    def created(parsed: Any, **_: Any) -> None:
        queues.extend(filter(None, [parsed.get("QueueUrl")]))

    def creating(params: Any, **_: Any) -> None:
        buckets.append(params["Bucket"])

    sqs.meta.events.register("after-call.sqs.CreateQueue", created)
    s3.meta.events.register("provide-client-params.s3.CreateBucket", creating)
    try:
        yield
    finally:
        for url in queues:
            with suppress(sqs.exceptions.QueueDoesNotExist):
                sqs.delete_queue(QueueUrl=url)
        for bucket in buckets:
            for one in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
                s3.delete_object(Bucket=bucket, Key=one.get("Key", ""))
            s3.delete_bucket(Bucket=bucket)
