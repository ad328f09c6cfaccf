-- A last line that harness/wrk.py reads: how many, microseconds, bad ones, bytes, p50, p99.
function done(summary, latency, requests)
  local bad = summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.status + summary.errors.timeout
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, bad,
    summary.bytes, latency:percentile(50), latency:percentile(99)))
end
