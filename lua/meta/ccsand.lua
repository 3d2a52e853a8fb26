---@meta ccsand

--- What a recipe requires: `local ccsand = require "ccsand"`. Its parts load when they
--- are first used.
---@class ccsand
--- Version of ccsand, such as "0.1.0".
---@field version string
--- The store of images: `require "ccsand.image"`.
---@field image ccsand.image
--- The kernel's primitives: `require "ccsand.sys"`.
---@field sys ccsand.sys
--- Control groups: `require "ccsand.cgroup"`.
---@field cgroup ccsand.cgroup
--- Policies for system calls: `require "ccsand.seccomp"`.
---@field seccomp ccsand.seccomp
--- Whole policies that ship: `require "ccsand.policy"`.
---@field policy ccsand.policy
--- Learning what a command needs: `require "ccsand.learn"`.
---@field learn ccsand.learn
--- Tasks that wait side by side: `require "ccsand.loop"`.
---@field loop ccsand.loop
--- Tests: `require "ccsand.test"`.
---@field test ccsand.test
local ccsand = {}

--- Makes a container, which is a value: nothing of the kernel is touched, and no image
--- is fetched. Raises where the table makes no sense.
---@param spec ccsand.ContainerSpec
---@return ccsand.Container
function ccsand.container(spec) end

--- Calls `f(...)` and returns its results, or nil and the value that it raised. For who
--- expects a failure; everywhere else errors end the recipe. See docs/errors.md.
---@param f function
---@param ... any
---@return any result what `f` returned, or nil
---@return ccsand.Error|string|nil problem
function ccsand.try(f, ...) end

--- What ccsand raises when a system call fails or an argument makes no sense. tostring()
--- gives place, message and hint. Errors that Lua code raises are text.
---@class ccsand.Error
--- The kernel's name of the errno, such as "EPERM". ENOTSUP reads "EOPNOTSUPP", the other name of its number. See errno(3).
---@field code string
--- The number of `code`.
---@field errno integer
--- Status with which ccsand ends where nobody catches the error: 125, 126 or 127.
---@field exit_status integer
--- What was done, such as "execve"; "" where an argument was refused.
---@field operation string
--- On what: a path, or the key of a table such as "container.limits.memory".
---@field subject string
--- One line: step of the plan, operation, subject and reason.
---@field message string
--- What to do about it, where that is known.
---@field hint? string
--- "recipe.lua:12", or "".
---@field where string

return ccsand
