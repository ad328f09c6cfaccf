-- Ranked searches for one word or two, over all documents.
dofile(os.getenv("HERE") .. "/report.lua")
local words = {}
for line in io.lines(os.getenv("WORDS")) do words[#words + 1] = line end

function request()
  local query = words[math.random(#words)]
  if math.random(2) == 1 then query = query .. "+" .. words[math.random(#words)] end
  return wrk.format("GET", "/v1/search?limit=10&q=" .. query)
end
