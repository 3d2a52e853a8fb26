---@meta ccsand.learn

--- Learns what a command needs: `local learn = require "ccsand.learn"`; `ccsand learn` on the command line. docs/policies.md
---@class ccsand.learn
local learn = {}

--- What was seen of a command: its calls, files, addresses, capabilities and peaks.
---@class ccsand.LearnRecord

--- Runs a command in the container with everything allowed and watched. Its own limits, Landlock rules and functions for
--- calls are put aside.
---@param box ccsand.Container
---@param command? string[] default: the container's own
---@param options? { capture: boolean, stdin: string, limits: boolean } limits = false: no cgroup, and no peaks are measured
---@return ccsand.RunResult result
---@return ccsand.LearnRecord record
function learn.run(box, command, options) end

--- The policy of a record, as a table for `box:with(...)`.
---@param record ccsand.LearnRecord
---@param options? { files_of_a_directory: integer } how many files of a directory make it stand for them, default 5
---@return ccsand.ContainerSpec
function learn.policy(record, options) end

--- Widens a policy's table for a record.
---@param old table
---@param record ccsand.LearnRecord
---@param options? { files_of_a_directory: integer }
---@return table new
---@return table difference a list, whose tostring is text
function learn.merge(old, record, options) end

--- The policy as the text of a Lua file, with comments.
---@param record ccsand.LearnRecord
---@param options? { files_of_a_directory: integer }
---@return string
function learn.write(record, options) end

--- Reads a policy's file, if nobody else may write it: its table, text and the comment at its top; nil where there is none.
---@param path string
---@return table? value
---@return string? source
---@return string? comment
function learn.read(path) end

--- What `ccsand learn` does; answers the exit status.
---@param box ccsand.Container
---@param options? { command: string[], into: string, output: string, limits: boolean }
---@return integer
function learn.main(box, options) end

return learn
