-- Reads one record at a time, all over the collection.
dofile(os.getenv("HERE") .. "/report.lua")
local rows = records(os.getenv("RECORDS"))

function request()
  return wrk.format("GET", "/v1/records/me/items/" .. rows[math.random(#rows)].id)
end
