---@meta ccsand.loop

--- Tasks: functions that wait side by side in ccsand's one thread. Within a task every method of containers that waits
--- (`capture`, `run`, `wait`, `exec`, …) lets the other tasks go on; outside of tasks they block. Ctrl-C (and TERM, HUP) cancels
--- all tasks; when they have tidied up, `run` raises it. A second one ends ccsand at once.
---@class ccsand.loop
local loop = {}

--- Runs `f(...)` as the first task, until it and all tasks that were spawned have ended; returns its results or raises its error. Where
--- it fails, the others are cancelled. An error of another task that nobody waited for is raised, too, at the end.
---@param f function
---@param ... any
---@return any ...
function loop.run(f, ...) end

--- Another task, which begins when the one that runs waits.
---@param f function
---@param ... any
---@return ccsand.Task
function loop.spawn(f, ...) end

--- The task that runs; nil outside of one, and within a coroutine that a task made: what waits there blocks all.
---@return ccsand.Task?
function loop.current() end

--- Calls `f(...)` when the current task ends, in whatever way; the last one first. It may wait. An error of it is the
--- task's, where that has none.
---@param f function
---@param ... any
function loop.defer(f, ...) end

--- Waits this long.
---@param time ccsand.Duration
function loop.sleep(time) end

--- Seconds of CLOCK_MONOTONIC. clock_gettime(2)
---@return number
function loop.now() end

--- Calls `f(...)` and returns its results. After this time an error with the code ETIMEDOUT is raised in it: where it
--- waits, or, if it computes, wherever it is; again every 5 s while it waits and every instruction from 1 s on while it
--- computes, for those that do not heed it. Meanwhile nothing is compiled (JIT), which could not be interrupted. C functions
--- that do not return, such as os.execute, are not ended. Tasks that `f` spawned are not under it. Time in which another task computed, and
--- this one could do nothing, does not count.
---@param time ccsand.Duration
---@param f function
---@param ... any
---@return any ...
function loop.timeout(time, f, ...) end

--- What tasks hand to one another, in order.
---@param size? integer how many values `put` does not wait with; default: any number
---@return ccsand.Queue
function loop.queue(size) end

--- Something that has happened or not.
---@return ccsand.Event
function loop.event() end

--- Waits until there is something to read (or the other end was closed); false after `timeout`. poll(2)
---@param descriptor ccsand.Descriptor|integer
---@param timeout? ccsand.Duration
---@return boolean
function loop.readable(descriptor, timeout) end

--- Waits until it can be written to; false after `timeout`. poll(2)
---@param descriptor ccsand.Descriptor|integer
---@param timeout? ccsand.Duration
---@return boolean
function loop.writable(descriptor, timeout) end

--- For ccsand's own modules: waits for news of the container with this id; false at the deadline.
---@param id integer
---@param deadline? number
---@return boolean
function loop.await_news(id, deadline) end

--- For ccsand's own modules: a task that `run` does not wait for.
---@param f function
---@return ccsand.Task
function loop.attend(f) end

--- For ccsand's own modules: what a task and its descendants belong to, with the containers that they started.
---@return table
function loop.family() end

--- For ccsand's own modules: a task of a family. Errors that nobody waited for are the family's.
---@param family table
---@param f function
---@param ... any
---@return ccsand.Task
function loop.confine(family, f, ...) end

---@class ccsand.Task
local Task = {}

--- Waits until it has ended; returns its results or raises its error.
---@return any ...
function Task:wait() end

--- Raises an error in it where it waits, or where it next does; one that has not begun never does. What it deferred is done, and may
--- wait: the error comes once for each call. A reason that is a table is the error itself, else its code is ECANCELED.
---@param reason? any
function Task:cancel(reason) end

--- Never resumes it again: for one that does not heed its cancellation. What it deferred is done in another task; containers
--- that it alone held are ended.
---@param reason? any
function Task:abandon(reason) end

--- "ready", "running" or "waiting"; "done", "failed" or "cancelled".
---@return string
function Task:status() end

--- The containers that were started in it and still run.
---@return ccsand.Running[]
function Task:containers() end

---@class ccsand.Queue
local Queue = {}

--- Adds a value; waits while the queue is full. An error where it is closed.
---@param value any
function Queue:put(value) end

--- Takes the oldest value; waits for one. `there` is false where the queue is closed and empty.
---@return any value
---@return boolean there
function Queue:take() end

--- How many values wait in it.
---@return integer
function Queue:size() end

--- Nothing more comes. What is in it can still be taken.
function Queue:close() end

---@class ccsand.Event
local Event = {}

--- Waits until it has happened.
function Event:wait() end

--- It has happened: all who wait go on.
function Event:set() end

--- It has not happened (any more).
function Event:clear() end

---@return boolean
function Event:is_set() end

return loop
