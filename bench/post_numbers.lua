-- wrk: POST {"numbers":[0,…,99]}
local parts = {}
for i = 0, 99 do
  parts[#parts + 1] = tostring(i * 7919)
end
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = '{"numbers":[' .. table.concat(parts, ",") .. "]}"
