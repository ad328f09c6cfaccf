-- Merges into records at the very version that was read last: every one must be answered 200.
dofile(os.getenv("HERE") .. "/report.lua")
wrk.headers["Content-Type"] = "application/merge-patch+json"
local ready = records(os.getenv("RECORDS"))
local first, last, number = 1, #ready, 0

function request()
  local row = ready[first]
  ready[first] = nil
  first = first + 1
  number = number + 1
  wrk.headers["If-Match"] = row.etag
  return wrk.format("PATCH", "/v1/records/me/items/" .. row.id, nil,
    string.format('{"n":%d,"done":true}', number))
end

function response(status, headers, body)
  local id = body:match('"id":"([^"]+)"')
  local version = body:match('"version":"([^"]+)"')
  if status == 200 then
    last = last + 1
    ready[last] = { id = id, etag = '"' .. version .. '"' }
  end
end
