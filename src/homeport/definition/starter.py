"""The definition that holds where no file does, and that `homeport init` writes."""

from typing import Final

STARTER: Final = """\
# What this backend is made of. Every key may be left out; these are the defaults, but for the
# collection at the end. An environment variable wins over its key: HOMEPORT_DATA_FOLDER,
# HOMEPORT_SERVER__PORT, HOMEPORT_ADAPTERS__SEARCH_INDEX.

profile = "embedded"               # what serves everything: embedded, memory, or aws
data_folder = "homeport-data"      # where the backend keeps everything; from this file's folder
undeclared_collections = "allow"   # or "refuse": only the collections declared below exist

[server]
host = "127.0.0.1"                 # "0.0.0.0" lets other machines in
port = 8090                        # 0 takes any free one
cors_origins = ["*"]               # which web pages may call, as in "https://app.example.com"
trusted_proxies = []               # reverse proxies before it, as in "10.0.0.0/8"
access_log = "auto"                # a line for each request: json, human, off, or auto: human
                                   # on a terminal, else json
max_waiting_writes = 1000          # how many writes may wait, and how many requests may be in
max_requests = 512                 # work, at once: beyond that callers are told to come back
workers = 1                        # processes that serve beside the first, at most one less than
                                   # there are processors
head_seconds = 30                  # for a request's line and headers to arrive, and for being idle
body_seconds = 20                  # for its body
answer_seconds = 30                # without reading the answer: slower clients are cut off
compression = true                 # zstd or gzip, for clients that ask
metrics = true                     # GET /metrics, for Prometheus

[limits]                           # for each address; 0 means no limit
guests_per_minute = 60
sign_ups_per_minute = 20
sign_ins_per_minute = 30           # and as many refreshed tokens
requests_per_minute_per_address = 0   # of whatever kind
requests_per_minute_per_identity = 0  # the same, for each identity

[search]
language = "en"                    # whose words are cut to their stems: running finds run; or none

[adapters]                         # what another adapter serves than the profile says:
#   record_store, change_feed, identity_provider: memory, embedded, dynamodb
#   search_index: memory, embedded, cloudsearch, opensearch
#   push_gateway: memory, embedded, sns; message_queue: memory, embedded, sqs
# search_index = "memory"
# One of your own may take options:
# search_index = { use = "package.module:Class", options = { url = "http://127.0.0.1:9200" } }

# Where the AWS adapters find what was deployed; credentials are AWS's own settings.
# [aws]
# region = "eu-west-1"             # or AWS_REGION
# table = "homeport"
# search_endpoint = "search-homeport-abc.eu-west-1.cloudsearch.amazonaws.com"
# document_endpoint = "doc-homeport-abc.eu-west-1.cloudsearch.amazonaws.com"
# failed_batches = "my-bucket"     # the stream's batches that could not be done in time
# push_applications = { fcm = "arn:aws:sns:eu-west-1:123456789012:app/GCM/my-app" }
# Queues: messages_queue, messages_dead_queue, subscribers_queue, parked_queue, redriven_queue.

# A collection works without being declared, and its fields are searchable. Declare it to say
# who may read and write it, and to sort by and highlight its fields.
#   read, write: owner, members, signed_in, anyone, admin; for writing also author. They count in
#   every space, private ones too: with "anyone", everybody reads what stands in everyone's own.
#   fields: text (with boost), keyword, number, date, and geo where the search index can do that;
#   a path within the data is quoted, as in "place.city" = "keyword".
#   schema: a file with a JSON Schema (2020-12), from this file's folder, that the data must fit.

# Functions of your own that are called when records change:
# [[subscribers]]
# name = "welcome"
# on = ["recipes"]                 # collections
# call = "kitchen.events:welcome"  # package.module:function

[collections.notes]                # what `homeport demo` loads

[collections.notes.fields]
title = { role = "text", boost = 2.0 }
body = "text"
module = "keyword"
kind = "keyword"
lines = "number"
"""
