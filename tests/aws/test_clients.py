"""Clients of AWS: one for each service, which tell of every request that they send."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError

from homeport.adapters.aws.clients import Clients
from homeport.domain.errors import Unavailable


def test_each_request_is_told_of(moto_session: boto3.Session) -> None:
    calls: list[str] = []
    clients = Clients(session=moto_session, on_call=calls.append)
    with pytest.raises(ClientError):
        clients.get("dynamodb").describe_table(TableName="nothing")
    clients.get("sqs").list_queues()
    assert calls == ["dynamodb.DescribeTable", "sqs.ListQueues"]


def test_there_is_one_client_of_a_service(moto_session: boto3.Session) -> None:
    clients = Clients(session=moto_session)
    assert clients.get("sqs") is clients.get("sqs")


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_is_found_where_aws_puts_it(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(Unavailable, match="set AWS_REGION"):
        Clients().get("sqs")
    monkeypatch.setenv(variable, "eu-north-1")
    assert Clients().get("sqs").meta.region_name == "eu-north-1"
    assert Clients("eu-west-3").get("sqs").meta.region_name == "eu-west-3"
