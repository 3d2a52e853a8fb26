-- `ccsand test`: from its options to its exit status.
local core = require "ccsand.core"
local event = require "ccsand.event"
local failure = require "ccsand.test.failure"
local files = require "ccsand.test.files"
local loop = require "ccsand.loop"
local progress = require "ccsand.test.progress"
local report = require "ccsand.test.report"
local runner = require "ccsand.test.runner"
local selection = require "ccsand.test.selection"

local usage_status, own_status = 2, 125

local function complain(problem)
  io.stderr:write("ccsand: test: ", tostring(type(problem) == "table" and problem.message or problem), "\n")
  if type(problem) == "table" and problem.hint then io.stderr:write("  hint: ", problem.hint, "\n") end
end

-- ---- what the options mean

local function random_seed()
  local source = io.open("/dev/urandom", "rb")
  local a, b, c = source:read(3):byte(1, 3)
  source:close()
  return a * 65536 + b * 256 + c
end

local function read_timeout(options)
  if not options.timeout then return end
  options.timeout_text = options.timeout
  local good, seconds = pcall(event.duration, options.timeout)
  if not good or seconds <= 0 then error(core.error(("--timeout: '%s' is not a time above 0"):format(options.timeout), "such as 10s or 500ms"), 0) end
  options.timeout = seconds
end

local function cpus() return math.max(1, #require("ccsand.sys").sched_getaffinity()) end

-- Raises for what makes no sense. Answers the test files and the reports that are asked for.
local function prepare(options)
  read_timeout(options)
  for _, filter in ipairs(options.filters) do
    local good, problem = pcall(string.find, "", filter)
    if not good then error(core.error(("--filter: '%s' is not a Lua pattern: %s"):format(filter, (tostring(problem):gsub("^.-: ", ""))))) end
  end
  local wanted, on_output = {}, 0
  for i, word in ipairs(options.reports) do
    wanted[i] = report.parse(word)
    on_output = on_output + (wanted[i].path and 0 or 1)
  end
  if on_output > 1 then error(core.error "--report: two of them go to standard output", 0) end
  if options.shuffle and not options.seed then options.seed = random_seed() end
  options.jobs = options.jobs or cpus()
  local paths = files.find(options.paths)
  if #paths == 0 then error(core.error("there are no test files (*_test.lua)", nil, "ENOENT"), 0) end
  local reports = {}
  for i, one in ipairs(options.list and {} or wanted) do reports[i] = report.open(one) end
  return paths, reports, on_output > 0
end

-- ---- the run

local function load_all(paths, options)
  local loaded = {}
  for i, path in ipairs(paths) do loaded[i] = files.load(path, options.timeout or 60) end
  return loaded
end

local function broken(loaded)
  for _, file in ipairs(loaded) do if file.problem then return true end end
  return false
end

local function list(cases, loaded, options)
  for _, case in ipairs(cases) do
    for _ = 1, options.repeat_count do print(("%s:%d: %s"):format(case.file.path, case.line, case.name)) end
  end
  for _, file in ipairs(loaded) do
    if file.problem then complain(("%s does not load: %s%s"):format(file.path, file.problem.where and file.problem.where .. ": " or "", file.problem.message)) end
  end
  return broken(loaded) and 1 or 0
end

local function wait_with_kept(run, display)
  display:kept(run.kept)
  while #run.kept > 0 do
    for i = #run.kept, 1, -1 do
      if run.kept[i].running:ended() then table.remove(run.kept, i) end
    end
    loop.sleep(0.2)
  end
  display:line "They have all ended."
end

local function perform(paths, reports, options, display)
  local run, status
  local good, problem = pcall(loop.run, function()
    jit.off() -- deadlines interrupt what is interpreted; and it is not switched for each of them
    local loaded = load_all(paths, options)
    local cases = selection.cases(loaded, options)
    if options.list then status = list(cases, loaded, options) return end
    if #cases == 0 and not broken(loaded) then
      complain "no test is chosen by --filter"
      status = usage_status
      return
    end
    local listeners = { unpack(reports) }
    listeners[#listeners + 1] = display -- last: who reads it may have gone, and SIGPIPE ends ccsand
    run = runner.new(options, listeners)
    run:perform(cases, loaded)
    if #run.kept > 0 then
      status = run:status()
      wait_with_kept(run, display)
    end
  end)
  if not good and not (failure.is_interrupt(problem) and (run or status)) then error(problem, 0) end
  return run, status or run:status()
end

return function(options)
  local prepared = { pcall(prepare, options) }
  if not prepared[1] then
    complain(prepared[2])
    return usage_status
  end
  local _, paths, reports, on_output = unpack(prepared)
  local display = progress.new(on_output and io.stderr or io.stdout, not on_output and progress.columns() or nil)
  local run, status = perform(paths, reports, options, display)
  for _, one in ipairs(reports) do
    local good, problem = pcall(one.close, one)
    if not good then
      complain(problem)
      status = own_status
    end
  end
  return status
end
