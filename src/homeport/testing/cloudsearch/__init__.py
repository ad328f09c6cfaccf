"""An emulator of Amazon CloudSearch, for adapters and apps that have no domain at hand.

It is an HTTP server on 127.0.0.1 that boto3's own clients talk to unchanged, made of the
standard library only, and it knows nothing of Homeport:

    import boto3
    from homeport.testing.cloudsearch import CloudSearchEmulator, Field

    with CloudSearchEmulator(fields={"title": "text", "tags": Field("literal-array")}) as domain:
        client = boto3.client("cloudsearchdomain", endpoint_url=domain.endpoint, ...)
        client.upload_documents(documents=b'[...]', contentType="application/json")
        domain.settle()
        client.search(query="title:'hello'", queryParser="structured")
        domain.documents()

It is as strict as the service's pages, and where they disagree, as the strictest of them. Two
things are as bad as they can be, since nothing better is promised: what was uploaded is visible
only `delay` seconds later, and of several changes of one id within one second any may be the
last. `settle()` moves the domain's clock past both. `fail`, `drop` and `slow` make requests
fail. `boto3.client("cloudsearch", endpoint_url=domain.endpoint)` asks the same domain about
its state and its fields.

What it does not do, it refuses in so many words: the parsers `lucene` and `dismax`, XML for
documents and searches, most operators of expressions. Scores are plausible, not CloudSearch's.
"""

from __future__ import annotations

from homeport.testing.cloudsearch.analysis import AnalysisScheme
from homeport.testing.cloudsearch.emulator import CloudSearchEmulator, Seen
from homeport.testing.cloudsearch.errors import DefinitionError
from homeport.testing.cloudsearch.schema import Field

__all__ = ["AnalysisScheme", "CloudSearchEmulator", "DefinitionError", "Field", "Seen"]
