"""What the tests create at AWS, or at what stands in for it: each thing in one place."""

from __future__ import annotations

import uuid
from typing import Any

import boto3

from homeport.adapters.aws import table
from homeport.adapters.aws.clients import Clients

REGION = "eu-west-1"


class EndpointSession(boto3.Session):
    """A session whose clients all talk to one endpoint, unless they say another."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
        self.endpoint = endpoint

    def client(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("endpoint_url") is None:
            kwargs["endpoint_url"] = self.endpoint
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


def delete_table(clients: Clients, name: str) -> None:
    clients.get("dynamodb").delete_table(TableName=name)
