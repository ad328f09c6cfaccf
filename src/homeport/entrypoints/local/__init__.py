"""The local gateway: API Gateway's stand-in, in one process.

It turns HTTP into the event that a Lambda function gets, does the authorizer's work, calls the
handler and turns its result back into HTTP. Pumps stand in for the event source mappings.

    server.py        Gateway: wires all of this and runs it
    listener.py      who may connect, for how long
    connection.py    HTTP itself (httptools)
    incoming.py      one request, and how it is answered; outgoing.py its answer's head
    greenlets.py     runs plain synchronous handlers, many at once, on one event loop
    exchange.py      one request's way through the gateway
    events.py        HTTP -> payload 2.0 event, handler's result -> HTTP
    routes.py        route keys -> which function
    authorizer.py    token -> authorizer context, cached
    cors.py, limits.py, compression.py, access_log.py
    metrics.py       what is counted, for Prometheus
    memory.py        gives memory back in quiet moments
    pumps.py         change feed and queue -> consumers
    local_routes.py  what only the local gateway offers
"""
