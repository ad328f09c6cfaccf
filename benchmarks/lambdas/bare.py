"""The least that a function can be: boto3 and one GetItem."""

import json
import os
from typing import Any

import boto3

client: Any = boto3.client("dynamodb", region_name=os.environ["AWS_REGION"])


def handler(event, context):  # type: ignore[no-untyped-def]
    id = event["pathParameters"]["id"]
    found = client.get_item(TableName="notes", Key={"id": {"S": id}})["Item"]
    body = {"id": id, "title": found["title"]["S"], "n": int(found["n"]["N"])}
    headers = {"content-type": "application/json"}
    return {"statusCode": 200, "headers": headers, "body": json.dumps(body)}
