-- Creates records, each durable before it is answered.
dofile(os.getenv("HERE") .. "/report.lua")
wrk.headers["Content-Type"] = "application/json"
local number = 0

function request()
  number = number + 1
  local body = string.format('{"title":"item %d","body":"made to be counted","n":%d,"done":false}',
    number, number)
  return wrk.format("POST", "/v1/records/me/created", nil, body)
end
