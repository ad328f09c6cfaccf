-- What every load shares: the token, and a last line that run.py reads.
wrk.headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")

function done(summary, latency, requests)
  local bad = summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.status + summary.errors.timeout
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration, bad,
    latency:percentile(50), latency:percentile(99)))
end

-- The lines of a file, each split at the space.
function records(name)
  local rows = {}
  for line in io.lines(name) do
    local id, etag = line:match("(%S+) (%S+)")
    rows[#rows + 1] = { id = id, etag = etag }
  end
  return rows
end
