"""A bundle of its own on AWS's adapters, against an emulator: nothing else can be imported."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from homeport.adapters.aws.clients import Clients
from tests.aws.ministack import Ministack
from tests.aws.resources import create_table, delete_table
from tests.bundles import answered, bundle
from tests.lambda_runtime import events

ANN = {"id": "ann", "kind": "user", "expires": int(time.time()) + 3600}
NOTES: dict[str, Any] = {"space": "me", "collection": "notes"}


def test_records_are_stored_in_dynamodb_and_its_calls_are_logged(
    ministack: Ministack, tmp_path: Path
) -> None:
    folder = tmp_path / "records"
    done = bundle("records", folder, settings={"HOMEPORT_PROFILE": "aws"})
    assert done.returncode == 0, done.stderr
    clients = Clients(session=ministack.session)
    table = create_table(clients, whole_index=True)
    settings = {
        "AWS_ENDPOINT_URL": ministack.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "HOMEPORT_AWS__TABLE": table,
    }
    route = "/v1/records/{space}/{collection}"
    asked = [
        *(
            events.request(f"PUT {route}/{{id}}", body={"title": "Soup"}, token=ANN, id=id, **NOTES)
            for id in ("0", "1")
        ),
        events.request(f"GET {route}/{{id}}", token=ANN, id="1", **NOTES),
        events.request(f"GET {route}", token=ANN, **NOTES),
    ]
    try:
        told = answered(folder, asked, settings)
    finally:
        delete_table(clients, table)
    assert [one["statusCode"] for one in told["answers"]] == [201, 201, 200, 200]
    # The first write finds out how many shards the collection has.
    calls = [one["calls"] for one in told["log"]][1:]
    assert calls == [{"dynamodb.UpdateItem": 1}, {"dynamodb.GetItem": 1}, {"dynamodb.Query": 1}]
    assert "Soup" not in str(told["log"])
