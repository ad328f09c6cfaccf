-- Reads pages of twenty.
dofile(os.getenv("HERE") .. "/report.lua")

function request()
  return wrk.format("GET", "/v1/records/me/items?limit=20")
end
