"""The same with the HTTP resolver and the logger of Powertools for AWS Lambda."""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger  # type: ignore[import-not-found]
from aws_lambda_powertools.event_handler import (  # type: ignore[import-not-found]
    APIGatewayHttpResolver,
)

logger = Logger(service="notes")
app = APIGatewayHttpResolver()
client: Any = boto3.client("dynamodb", region_name=os.environ["AWS_REGION"])


@app.get("/v1/records/me/notes/<id>")
def get(id):  # type: ignore[no-untyped-def]
    found = client.get_item(TableName="notes", Key={"id": {"S": id}})["Item"]
    return {"id": id, "title": found["title"]["S"], "n": int(found["n"]["N"])}


@logger.inject_lambda_context
def handler(event, context):  # type: ignore[no-untyped-def]
    return app.resolve(event, context)
