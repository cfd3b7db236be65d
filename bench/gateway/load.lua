-- wrk -s load.lua URL -- KEYS BODY: each request carries the next key of the file; says at the end what it saw, as JSON.
local requests = {}
local turn = 0

function init(args)
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  wrk.body = args[2]
  for key in io.lines(args[1]) do
    wrk.headers["authorization"] = "Bearer " .. key
    requests[#requests + 1] = wrk.format(nil, "/v1/chat/completions")
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\n{"answers":%d,"seconds":%.6f,"p50_us":%.1f,"p99_us":%.1f,"failed":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
