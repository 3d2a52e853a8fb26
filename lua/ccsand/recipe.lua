-- Runs a recipe and does what the caller asked for with the container that it returns.
local function handle(value, mode, options)
  local container = package.loaded["ccsand.container"]
  if options.name and not (container and container.is(value)) then
    error("--name: the recipe returns no container to have it; one that it starts itself gets a name by the key 'name'", 0)
  end
  if type(value) == "number" then return value end
  if value == nil or value == true then return 0 end
  if value == false then return 1 end
  if not container or not container.is(value) then
    error("a recipe returns a container, an exit status or nothing, not a " .. type(value), 0)
  end
  if options.name then value, options.name = value:with { name = options.name }, nil end
  if mode == "learn" then return require("ccsand.learn").main(value, options.learn) end
  if mode == "check" then return value:check() and 0 end
  if mode == "plan" then
    io.stdout:write(value:plan())
    return 0
  end
  return value:run(nil, options).status
end

return function(chunk, arguments, mode, options)
  require("ccsand.place").recipe = chunk
  return handle(chunk(unpack(arguments)), mode, options)
end
