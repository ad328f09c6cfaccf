"""What stands for the runtime: imports a function from its folders alone, and gives it an event.

Arguments: the folders, joined as in PATH, the module, a file with the event, and how often to
time warm calls, with the store stubbed (0: not at all). The last lines it prints are its answer,
and the seconds that it would have waited on purpose: nothing is waited for here.
"""

import json
import os
import sys
import time
from importlib import import_module


class Context:
    """As much of Lambda's context as functions ask for."""

    aws_request_id = "00000000-0000-0000-0000-000000000000"
    function_name = "benchmark"
    function_version = "$LATEST"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:eu-west-1:000000000000:function:benchmark"
    log_group_name = log_stream_name = "benchmark"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def main() -> None:
    folders, module, place, times = sys.argv[1:]
    waits: list[float] = []
    time.sleep = lambda seconds: waits.append(float(seconds))
    sys.path[:0] = folders.split(os.pathsep)
    handler = import_module(module).handler
    with open(place) as file:  # noqa: PTH123 - pathlib would be part of the start
        event = json.load(file)
    answer = handler(event, Context())
    print(f"\nANSWERED {json.dumps(answer)}", flush=True)
    print(f"\nWAITED {sum(waits)}", flush=True)
    if int(times):
        print(f"\nWARM {_warm(module, handler, event, int(times))}", flush=True)


def _warm(module: str, handler, event, times: int) -> float:  # type: ignore[no-untyped-def]
    """Microseconds for one call, in the best of ten rounds."""
    item = {"title": {"S": "Soup"}, "n": {"N": "1"}}
    sys.modules[module].client.get_item = lambda **_: {"Item": item}
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - what functions log
    best = float("inf")
    for _ in range(10):
        started = time.perf_counter()
        for _ in range(times):
            handler(event, Context())
        best = min(best, (time.perf_counter() - started) / times * 1e6)
    sys.stdout = sys.__stdout__
    return best


if __name__ == "__main__":
    main()
