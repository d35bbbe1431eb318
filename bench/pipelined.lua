-- wrk: sixteen requests for the path at a time
local batch

function init(args)
  local parts = {}
  for i = 1, 16 do
    parts[i] = wrk.format(nil)
  end
  batch = table.concat(parts)
end

function request()
  return batch
end
