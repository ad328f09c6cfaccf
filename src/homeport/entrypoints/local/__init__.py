"""The local gateway: API Gateway's stand-in, in one process, and under load in more.

It turns HTTP into the event that a Lambda function gets, does the authorizer's work, calls the
handler and turns its result back into HTTP. Pumps stand in for the event source mappings.

    server.py        Gateway: wires the first process, and runs it
    serving.py       what both kinds of process have between a connection and a handler
    workers.py       the workers as that process sees them; worker_handle.py one of them
    worker.py        what a worker does; worker_process.py its start and end
    channel.py       messages between the two; calls.py what one has the other do
    indexing.py      who computes the search index
    listener.py      accepts clients
    connections.py   what the connections of a loop have in common
    connection.py    HTTP itself (httptools); house.py what it needs of the others
    incoming.py      one request, and how it is answered; outgoing.py its answer's head
    admission.py     who is let in, and who is told to come back
    greenlets.py     runs plain synchronous handlers, many at once, on one event loop
    exchange.py      one request's way through the gateway
    events.py        HTTP -> payload 2.0 event, handler's result -> HTTP
    routes.py        route keys -> which function
    authorizer.py    token -> authorizer context, cached
    cors.py, limits.py, proxies.py, compression.py, access_log.py
    metrics.py       what is counted, for Prometheus
    memory.py        gives memory back in quiet moments
    pumps.py         change feed and queue -> consumers
    pacing.py        how much of the processor longer work takes; pauses.py where it rests
    local_routes.py  what only the local gateway offers
"""
