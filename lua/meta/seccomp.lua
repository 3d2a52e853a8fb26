---@meta ccsand.seccomp

--- Policies for system calls: `local seccomp = require "ccsand.seccomp"`. A policy is an immutable value; what it answers
--- can be asked without privileges. docs/policies.md has the chapter, seccomp(2) the ground.
---@class ccsand.seccomp
local seccomp = {}

--- "allow"; "deny", which is "errno EPERM"; "errno NAME"; "kill" the process or the thread ("kill_thread"); "trap" (SIGSYS);
--- "log" (allowed, and in the kernel's log); "trace"; "notify" (decided by a function of the container's `notify`).
---@alias ccsand.Action string

--- Names of system calls and of groups ("@network"), and calls under conditions: { "read", "@file", socket = "domain == AF_UNIX" }.
--- Several conditions of one call are alternatives.
---@alias ccsand.CallList string|table<integer|string, string|string[]>

--- Where lists name the same call, the later in this row wins: allow, log, notify, trace, errno, deny, trap, kill_thread, kill.
---@class ccsand.PolicySpec
--- Default "policy of FILE:LINE".
---@field name? string
--- What it builds on: a policy, or the name of one that ships. Default: nothing (as a container's key: the default profile).
---@field from? ccsand.Policy|string
--- Default { "native" }. Programs of other architectures get `foreign`.
---@field architectures? string[]
--- The answer to calls that are not named. Default "errno EPERM".
---@field default? ccsand.Action
--- The answer to calls that are newer than ccsand. Default "errno ENOSYS".
---@field unknown? ccsand.Action
--- The answer to calls of other architectures. Default "kill".
---@field foreign? ccsand.Action
---@field allow? ccsand.CallList
---@field log? ccsand.CallList
---@field notify? ccsand.CallList
---@field trace? ccsand.CallList
--- By the errno's name: { ENOSYS = { "clone3" } }.
---@field errno? table<string, ccsand.CallList>
---@field deny? ccsand.CallList
---@field trap? ccsand.CallList
---@field kill_thread? ccsand.CallList
---@field kill? ccsand.CallList

--- Makes a policy. Raises where a call, a group, a parameter or a constant does not exist.
---@param spec ccsand.PolicySpec
---@return ccsand.Policy
function seccomp.policy(spec) end

--- The default profile: what the container engines allow, by the capabilities granted.
---@param options? { capabilities: any, architectures: string[] } capabilities as a container's key; default the container's default
---@return ccsand.Policy
function seccomp.default(options) end

--- A policy that ships: "default", "strict", "no-network", "build", "server".
---@param name string
---@return ccsand.Policy
function seccomp.named(name) end

--- Whether a value is a policy.
---@param value any
---@return boolean
function seccomp.is(value) end

--- The policy of an OCI or Docker profile: `linux.seccomp` of a config.json (or the whole of it), or Docker's and Podman's
--- form with archMap, includes and excludes. Unknown calls are passed over; unknown keys, actions and operators are errors.
---@param source string|table JSON, or a table of the same form
---@param options? { name: string, capabilities: any, architecture: string, kernel: string } the name for `where`; what includes and excludes ask for: capabilities as a container's key, default the container's default; the architecture and the kernel, default this host's
---@return ccsand.Policy policy
---@return string[] warnings what was passed over, and where entries contradict each other
function seccomp.from_oci(source, options) end

--- The policy of a source in kafel's language, that of nsjail's `seccomp_string`. Errors name line and column.
---@param text string
---@param options? { name: string, include: table<string, string>, architectures: string[] } the name for `where`; the texts of #include by their names; as in seccomp.policy
---@return ccsand.Policy
function seccomp.from_kafel(text, options) end

--- For ccsand's own modules: the policy of a record whose parts have been checked.
---@param record table
---@return ccsand.Policy
function seccomp.make(record) end

--- For ccsand's own modules: the statements and answers of a policy. Not to be changed.
---@param policy ccsand.Policy
---@return table
function seccomp.parts(policy) end

--- For ccsand's own modules: by call, the statements that decide it, the first one first.
---@param policy ccsand.Policy
---@return table<string, table[]>
function seccomp.effective(policy) end

--- Two policies are equal (==) if they compile to the same program.
---@class ccsand.Policy
local Policy = {}

--- Changed copies. What is said later wins: `policy:allow("read", "@network")`, `policy:deny { socket = "domain == AF_VSOCK" }`.
---@param ... string|ccsand.CallList
---@return ccsand.Policy
function Policy:allow(...) end
---@param ... string|ccsand.CallList
---@return ccsand.Policy
function Policy:deny(...) end
---@param ... string|ccsand.CallList
---@return ccsand.Policy
function Policy:log(...) end
---@param ... string|ccsand.CallList
---@return ccsand.Policy
function Policy:notify(...) end
---@param ... string|ccsand.CallList
---@return ccsand.Policy
function Policy:trace(...) end
---@param ... string|ccsand.CallList
---@return ccsand.Policy
function Policy:trap(...) end
---@param ... string|ccsand.CallList
---@return ccsand.Policy
function Policy:kill(...) end
---@param ... string|ccsand.CallList
---@return ccsand.Policy
function Policy:kill_thread(...) end
---@param errno string "ENOSYS"
---@param ... string|ccsand.CallList
---@return ccsand.Policy
function Policy:errno(errno, ...) end

--- These calls under these conditions alone: `policy:only { socket = "domain == AF_UNIX" }`.
---@param list table<string, string|string[]>
---@return ccsand.Policy
function Policy:only(list) end

--- What the other policy states on top of this one.
---@param other ccsand.Policy
---@return ccsand.Policy
function Policy:with(other) end

--- The same policy under another name.
---@param name string
---@return ccsand.Policy
function Policy:named(name) end
---@return string
function Policy:name() end

--- The compiled program: instructions of eight bytes, as seccomp(2) takes them.
---@return string
function Policy:bpf() end
--- Whether some calls are answered "notify".
---@return boolean
function Policy:notifies() end
--- The policy with "notify" for all that it denies.
---@return ccsand.Policy
function Policy:watching() end

--- What the compiled filter answers, found by running it: `policy:test("socket", "AF_VSOCK")`. Arguments are numbers or
--- expressions of constants, 0 where they are left out.
---@param call string|integer|table a name, a number, or { "socket", "AF_INET", architecture = "x86" }
---@param ... number|string
---@return ccsand.Action
function Policy:test(call, ...) end

--- Which statement decides a call. Without arguments, what has conditions has `otherwise`.
---@param call string
---@param ... number|string
---@return { action: ccsand.Action, where: string, when: string?, text: string, otherwise: table? }
function Policy:explain(call, ...) end

--- The policy as JSON for runc, crun and other OCI runtimes: `linux.seccomp` of a config.json. Raises where the form cannot
--- say it: notify, numbers of trap, answers to new calls and to other architectures that are not the runtimes' own.
---@return string
function Policy:to_oci() end

--- The policy as text, a line for each call.
---@return string
function Policy:pseudo_code() end

--- What changes from this policy to the other; tostring() is text, a line for each change.
---@param other ccsand.Policy
---@return { call: string, before: string, after: string }[]
function Policy:diff(other) end

return seccomp
