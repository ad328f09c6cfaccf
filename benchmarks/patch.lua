-- Merges into records, wherever they are by then.
dofile(os.getenv("HERE") .. "/report.lua")
wrk.headers["Content-Type"] = "application/merge-patch+json"
local rows = records(os.getenv("RECORDS"))
local number = 0

function request()
  number = number + 1
  return wrk.format("PATCH", "/v1/records/me/items/" .. rows[math.random(#rows)].id, nil,
    string.format('{"n":%d,"done":true}', number))
end
