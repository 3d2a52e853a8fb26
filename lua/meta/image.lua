---@meta ccsand.image

--- Images: read-only roots in a store, by name (`name` or `name:tag` in letters, digits,
--- ".", "_" and "-"). The store is /var/lib/ccsand, or the directory that CCSAND_STORE names. See
--- docs/images.md.
---@class ccsand.image
--- What can be fetched, by name. A recipe may add to it.
---@field catalogue table<string, ccsand.image.Source>
--- What is made on this machine, by name: functions that fill the root directory that they get.
---@field builders table<string, fun(root: string)>
local image = {}

---@class ccsand.image.Source
--- Name of the archive in a directory of CCSAND_IMAGE_PATH.
---@field file string
--- Where it is downloaded from, https only.
---@field url string
--- Its SHA-256 in hex, checked before anything is unpacked.
---@field sha256 string
--- Bytes beyond which a download is broken off.
---@field most integer

--- The root directory that an image has, or would have, in the store. Touches nothing.
---@param name string
---@return string path
function image.path(name) end

--- The root directory of an image. What the store lacks is looked for in the directories
--- of CCSAND_IMAGE_PATH, then downloaded. Raises where it can be had from nowhere.
---@param name string
---@param options? ccsand.image.GetOptions
---@return string path
function image.get(name, options) end

---@class ccsand.image.GetOptions
--- Image to use where `name` cannot be had; standard error gets a line about it.
---@field fallback? string

--- Whether the store has an image.
---@param name string
---@return boolean
function image.has(name) end

--- Unpacks a tar archive (gzip, xz, zstd, bzip2 or none) into the store, in the sandbox
--- of ccsand-image. Where the store has that name already, the old image stays.
---@param name string
---@param file string path of the archive
---@param options? ccsand.image.ImportOptions
---@return string path
function image.import(name, file, options) end

---@class ccsand.image.ImportOptions
--- SHA-256 in hex that the file must have.
---@field sha256? string

--- Makes an image with a function that fills its root directory, unless the store has
--- it. An error in the function leaves nothing behind.
---@param name string
---@param fill fun(root: string, directory: string) `directory` holds `root`, and is its scratch place
---@return string path
function image.build(name, fill) end

--- Removes an image from the store. Containers that run on it keep what they have mounted.
---@param name string
function image.remove(name) end

return image
