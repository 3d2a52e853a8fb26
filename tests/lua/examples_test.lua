-- The example tests in docs/examples, and the recipe of an online judge.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local t = require "support"
t.begin()
local test, equal, match = t.test, t.equal, t.match
local source = os.getenv("CCSAND_SOURCE_DIR") or (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/../.."

local skipped
test("the example tests pass", function()
  local text, status = t.run_host(("cd '%s' && IMAGE='%s' '%s' test docs/examples"):format(source, t.image, t.ccsand))
  equal(status, 0, text)
  match(text, "an upper%-case server / answers %[one%]")
  match(text, "a rename that fails leaves the old file %[EIO%]")
  skipped = {}
  for why in text:gmatch "\nskip  [^\n]*: ([^\n]+)  %(" do
    if not skipped[why] then skipped[why], skipped[#skipped + 1] = true, why end
  end
end)
test("none of the example tests was skipped", function()
  if skipped and #skipped > 0 then t.skip(table.concat(skipped, "; ")) end
end)

test("the tests in docs/test-runner.md do what they say", function()
  local folder, count = t.mkdir "docs", 0
  for name, text in t.read(source .. "/docs/test-runner.md"):gmatch "\n```lua\n%-%- (%w+_test.lua)\n(.-)\n```" do
    t.write(folder .. "/" .. name, (text:gsub('"alpine:3%.20"', ("%q"):format(t.image))))
    count = count + 1
  end
  equal(count, 3)
  local text, status = t.run_host(("cd '%s' && '%s' test"):format(folder, t.ccsand))
  equal(status, 0, text)
  match(text, "9 passed, 0 failed, 1 skipped, 1 failed as expected")
end)

-- ---- the judge

local cases = t.mkdir "cases"
t.write(cases .. "/1.in", "1 2\n") t.write(cases .. "/1.out", "3\n")
t.write(cases .. "/2.in", "40 2\n") t.write(cases .. "/2.out", "42\n")

local function judged(code, kind, options)
  local submission = t.write(("%s/submission.%s"):format(t.directory, kind), code)
  local text, status = t.run_host(("'%s' recipes/judge.lua %s '%s' '%s'"):format(t.ccsand, options or "", submission, cases))
  return text:match "verdict%s+(%u+)\n$", status, text
end
local function program(body)
  return "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\nint main(void) {\n  int a, b; if (scanf(\"%d %d\", &a, &b) != 2) return 3;\n  "
    .. body .. "\n  return 0;\n}\n"
end

test("the judge's verdicts on scripts", function()
  for verdict, code in pairs {
    AC = "read a b; echo $((a + b))",
    WA = "echo 3",
    PE = "read a b; echo \" $((a + b)) \"; echo",
    RE = "read a b; echo $((a + b)); exit 7",
    OLE = "while :; do echo $$ and so on and so on; done",
    TLE = "while :; do :; done",
  } do
    local got, status, text = judged(code, "sh", "--time 200ms")
    equal(got, verdict, text)
    equal(status, verdict == "AC" and 0 or 1)
  end
  equal(judged("sleep 3600", "sh", "--time 100ms"), "TLE", "one that only sleeps")
  equal(judged("exec tail /dev/zero", "sh", "--memory 16M --time 10s"), "MLE")
  equal(judged("bomb() { bomb | bomb & }; bomb & while :; do :; done", "sh", "--time 200ms"), "TLE", "a fork bomb")
  local got, _, text = judged("cat /etc/shadow /mnt/../root/.profile; echo x >/mnt/program; kill -9 1; echo 3", "sh")
  equal(got, "WA", text)
end)

test("the judge compiles C, and says why it cannot", function()
  if os.execute "printf 'int main(void){return 0;}' | cc -static -x c -o /dev/null - 2>/dev/null" ~= 0 then t.skip "no cc that links statically" end
  local got, status, text = judged(program 'printf("%d\\n", a + b);', "c")
  equal(got, "AC", text) equal(status, 0)
  got, status, text = judged("int main(void) { retrun 0; }", "c")
  equal(got, "CE", text) equal(status, 1)
  match(text, "retrun")
  equal((judged(program "*(volatile int *)0 = a;", "c")), "RE")
  equal((judged(program "for (;;) { char *p = malloc(1 << 20); memset(p, 1, 1 << 20); }", "c", "--memory 16M")), "MLE")
  equal((judged(program "while (fork() >= 0) {} for (;;) {}", "c", "--time 200ms --processes 4")), "TLE")
  equal((judged('#include "/dev/zero"', "c")), "CE", "a compiler that is kept busy")
end)

test("the judge's usage", function()
  local _, status = t.run_host(("'%s' recipes/judge.lua --bogus 1 a b"):format(t.ccsand))
  equal(status, 125)
  local text
  text, status = t.run_host(("'%s' recipes/judge.lua nothing.rs '%s'"):format(t.ccsand, cases))
  equal(status, 125) match(text, "neither %.c nor %.sh")
end)

return t.finish()
