-- Level d on the default network: what floor does with --bridge, and names, as a recipe.
local here = debug.getinfo(1, "S").source:match "^@(.*)level_n%.lua$"
return dofile(here .. "level_d.lua"):with { network = "nat" }
