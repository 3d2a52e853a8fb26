-- An online judge: compiles a submission in one container and runs it in another, once for each case.
--   ccsand recipes/judge.lua [--time 1s] [--memory 64M] [--output 1M] [--processes 8] SUBMISSION CASES
-- CASES is a folder of pairs NAME.in, NAME.out. SUBMISSION is a C program (.c), compiled by this machine's cc, or a shell
-- script (.sh). Prints a verdict for each case and one for all; ends with 0 where that is AC.
local ccsand = require "ccsand"
local file = require "ccsand.file"

local limits = { time = "1s", memory = "64M", output = "1M", processes = 8 }

local function read(path)
  local handle, problem = io.open(path, "rb")
  if not handle then error(problem, 0) end
  local text = handle:read "*a"
  handle:close()
  return text
end

-- ---- compiling: the source comes in on standard input, the program goes out on standard output

local compiler = ccsand.container {
  root = { host_view = true },
  mounts = { { type = "tmpfs", target = "/tmp", options = { size = "64m", mode = "1777" } } },
  limits = { memory = "512M", swap = 0, pids = 32 },
  timeout = "20s",
}

local languages = {
  c = function(source, program)
    local result = compiler:capture({ "/bin/sh", "-c", "cc -O2 -static -x c -o /tmp/program - -lm && cat /tmp/program" },
      { stdin = source, stdout_file = program })
    return result.status == 0, result.stderr
  end,
  sh = function(source, program)
    local handle = assert(io.open(program, "wb"))
    assert(handle:write("#!/bin/sh\n", source))
    handle:close()
    return true
  end,
}

-- ---- running

local function without_spaces(text) return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")) end

-- What a result comes to. Which limit ended it goes before what it printed.
local function verdict_of(result, wanted)
  local by_reason = { timeout = "TLE", cpu_time = "TLE", oom = "MLE", output = "OLE" }
  if by_reason[result.reason] then return by_reason[result.reason] end
  if result.status ~= 0 then return "RE" end
  if result.stdout == wanted then return "AC" end
  return without_spaces(result.stdout) == without_spaces(wanted) and "PE" or "WA"
end

local function runner_of(scratch)
  local seconds = require("ccsand.event").duration(limits.time)
  return ccsand.container {
    image = "busybox:host",
    root = { access = "read_only" },
    proc = "pids", -- a submission has no business with the rest
    user = "nobody", capabilities = "none",
    mounts = { { source = scratch, target = "/mnt" } },
    command = { "/mnt/program" },
    limits = { memory = limits.memory, swap = 0, pids = limits.processes, cpus = 1 },
    rlimits = { core = 0 },
    cpu_time = limits.time,
    timeout = seconds * 2 + 1, -- of one that only sleeps
    output_limit = limits.output, limit_output = true,
  }
end

-- { verdict, message, cases = { { name, verdict, cpu, memory, status, reason } } }
local function judge(submission, folder, scratch)
  local language = languages[submission:match "%.(%w+)$"] or error(submission .. ": neither .c nor .sh", 0)
  local program = scratch .. "/program"
  local good, message = language(read(submission), program)
  if not good then return { verdict = "CE", message = message, cases = {} } end
  ccsand.sys.chmod(program, "0755")

  local names = {}
  for name, kind in pairs(file.list(folder)) do
    if kind == "file" and name:find "%.in$" then names[#names + 1] = name:sub(1, -4) end
  end
  table.sort(names)
  if #names == 0 then error(folder .. ": has no cases, NAME.in and NAME.out", 0) end
  local box, all = runner_of(scratch), { verdict = "AC", cases = {} }
  for i, name in ipairs(names) do
    local result = box:capture(nil, { stdin = read(folder .. "/" .. name .. ".in") })
    local verdict = verdict_of(result, read(folder .. "/" .. name .. ".out"))
    all.cases[i] = { name = name, verdict = verdict, cpu = result.cpu or result.user + result.system, memory = result.memory_peak or result.max_rss,
      status = result.status, reason = result.reason }
    if all.verdict == "AC" then all.verdict = verdict end
  end
  return all
end

-- ---- the command line

local function usage()
  io.stderr:write "usage: ccsand recipes/judge.lua [--time T] [--memory SIZE] [--output SIZE] [--processes N] SUBMISSION CASES\n"
  return 125
end

local words, at = {}, 1
while arg[at] do
  local option = arg[at]:match "^%-%-(%l+)$"
  if option and (not limits[option] or not arg[at + 1]) then return usage() end
  if option then limits[option] = option == "processes" and tonumber(arg[at + 1]) or arg[at + 1] else words[#words + 1] = arg[at] end
  at = at + (option and 2 or 1)
end
if #words ~= 2 then return usage() end

local scratch = os.tmpname()
os.remove(scratch)
ccsand.sys.mkdir(scratch, "0755")
local good, all = pcall(judge, words[1], words[2], scratch)
os.remove(scratch .. "/program")
os.remove(scratch)
if not good then error(all, 0) end

for _, case in ipairs(all.cases) do
  print(("%-12s %-3s  %.3f s  %.1f MiB  %s, status %d"):format(case.name, case.verdict, case.cpu, (case.memory or 0) / 2 ^ 20, case.reason, case.status))
end
if all.message then io.write(all.message) end
print("verdict      " .. all.verdict)
return all.verdict == "AC" and 0 or 1
