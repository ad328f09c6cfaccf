-- The yardstick: an empty answer from the same HTTP server.
dofile(os.getenv("HERE") .. "/report.lua")
