"""The same with FastAPI, whose answer is a model, behind Mangum."""

import os
from typing import Any

import boto3
from fastapi import FastAPI  # type: ignore[import-not-found]
from mangum import Mangum  # type: ignore[import-not-found]
from pydantic import BaseModel

app = FastAPI()
client: Any = boto3.client("dynamodb", region_name=os.environ["AWS_REGION"])


class Note(BaseModel):
    id: str
    title: str
    n: int


@app.get("/v1/records/me/notes/{id}")  # type: ignore[untyped-decorator]
def get(id: str) -> Note:
    found = client.get_item(TableName="notes", Key={"id": {"S": id}})["Item"]
    return Note(id=id, title=found["title"]["S"], n=int(found["n"]["N"]))


handler = Mangum(app, lifespan="off")
