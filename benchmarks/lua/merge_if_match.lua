-- Merges into records at the very version that was read last: every one must be answered 200.
-- A line of the file is: path, version, token.
dofile(os.getenv("LUA") .. "/report.lua")
wrk.headers["Content-Type"] = "application/merge-patch+json"
local ready, first, last, number = {}, 1, 0, 0

for line in io.lines(os.getenv("TRAFFIC")) do
  local path, version, token = line:match("(%S+) (%S+) (%S+)")
  last = last + 1
  ready[last] = { path = path, version = version, token = "Bearer " .. token }
end
local by_id = {}
for _, row in ipairs(ready) do by_id[row.path:match("([^/]+)$")] = row end

function request()
  local row = ready[first]
  ready[first] = nil
  first = first + 1
  number = number + 1
  wrk.headers["If-Match"] = '"' .. row.version .. '"'
  wrk.headers["Authorization"] = row.token
  return wrk.format("PATCH", row.path, nil, string.format('{"n":%d,"done":true}', number))
end

function response(status, headers, body)
  if status == 200 then
    local row = by_id[body:match('"id":"([^"]+)"')]
    row.version = body:match('"version":"([^"]+)"')
    last = last + 1
    ready[last] = row
  end
end
