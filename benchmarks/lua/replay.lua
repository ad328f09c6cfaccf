-- Sends the requests of a file, in the file's order, from a place of its own at each run.
dofile(os.getenv("LUA") .. "/report.lua")
local requests, place = {}, 0

local file = assert(io.open(os.getenv("TRAFFIC"), "rb"))
for length in function() return file:read("*n") end do
  file:read(1)
  requests[#requests + 1] = file:read(length)
end
file:close()
place = tonumber(os.getenv("SEED")) % #requests

function request()
  place = place % #requests + 1
  return requests[place]
end
