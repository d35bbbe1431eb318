-- wrk -s db_paths.lua URL -- STEP COUNT: asks for URL/0, URL/STEP, …, and again
-- after COUNT of them.
local step, count, n = 1, 1, 0

function init(args)
    step, count = tonumber(args[1]), tonumber(args[2])
end

function request()
    n = (n + 1) % count
    return wrk.format("GET", wrk.path .. "/" .. n * step)
end
