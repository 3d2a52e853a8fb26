// The store of images: read-only roots by name. An image appears in it whole or not
// at all: it is made in a directory of the store's own and renamed into place.
//
//   <store>/images/<name>/root     the root
//   <store>/tmp/<pid>-<start>-<n>  one that is being made; swept when its maker is dead
#pragma once

#include <string>
#include <string_view>

#include "ccsand/result.hpp"

namespace ccsand {

// $CCSAND_STORE, else /var/lib/ccsand.
std::string store_directory();
// The root directory of an image, whether or not it is there. EINVAL for a name that
// is not of the form name[:tag] in letters, digits, '.', '_' and '-'.
Result<std::string> image_root(std::string_view name);
bool has_image(std::string_view name);

// A new directory to make an image in, with an empty "root" in it. What dead
// processes left is swept first.
Result<std::string> begin_image();
// Makes it the image `name`. Where another process was faster, its image stays and
// this one is discarded.
Result<void> commit_image(const std::string& directory, std::string_view name);
Result<void> discard_image(const std::string& directory);
Result<void> remove_image(std::string_view name);

}  // namespace ccsand
