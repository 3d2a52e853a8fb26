-- For tests of `ccsand test`: folders of test files, and runs of the real program on them.
local t = require "support"

local harness = {}

--- A folder with these files: { ["x_test.lua"] = text }. Each text gets the modules and IMAGE as locals, in its first line.
function harness.folder(files)
  local folder = t.mkdir "tests"
  for name, text in pairs(files) do
    local inner = name:match("^(.*)/")
    if inner then assert(os.execute(("mkdir -p '%s/%s'"):format(folder, inner)) == 0) end
    t.write(folder .. "/" .. name, ('local test, ccsand, loop, IMAGE = require "ccsand.test", require "ccsand", require "ccsand.loop", %q; ')
      :format(t.image) .. text)
  end
  assert(os.execute(("chmod -R go-w '%s'"):format(folder)) == 0)
  return folder
end

--- Runs it on a folder (or a table of files, or one text); returns output, status and the folder.
function harness.run(what, options)
  if type(what) == "string" and what:sub(1, 1) ~= "/" then what = { ["a_test.lua"] = what } end
  local folder = type(what) == "table" and harness.folder(what) or what
  local text, status = t.run_host(("cd '%s' && '%s' test %s"):format(folder, t.ccsand, options or ""))
  return text, status, folder
end

--- The words that end the summary: "2 passed, 1 failed in …" without the time.
function harness.counts(text) return text:match("\n([^\n]*) in [%d.]+ m?s\n[^\n]*$") or text:match("\n([^\n]*) in [%d.]+ m?s\n") end

--- Starts it in the background, waits until it has printed `line`, runs the shell command `meanwhile`, where one is given, sends the
--- signal, and waits for its end: returns output, status and the milliseconds from the signal to the end.
function harness.interrupt(text, options, line, signal, meanwhile)
  local folder = harness.folder { ["a_test.lua"] = text }
  local script = t.file(([[
cd '%s' || exit 1
mkfifo pipe
'%s' test %s >pipe 2>&1 &
pid=$!
exec 3<pipe
while read -r line <&3; do
  echo "$line"
  case $line in *'%s'*) break ;; esac
done
%s
from=$(date +%%s%%N)
kill -%s $pid
cat <&3
wait $pid
echo "status $? after $(( ($(date +%%s%%N) - from) / 1000000 )) ms"
]]):format(folder, t.ccsand, options, line, meanwhile or "", signal), "interrupt.sh")
  local output = t.run_host("bash " .. script)
  local status, time = output:match("status (%d+) after (%d+) ms")
  return output, tonumber(status), tonumber(time), folder
end

function harness.is_alive(pid) return t.read("/proc/" .. pid .. "/stat") ~= nil end

return harness
