// ccsand.store: the store of images, and the program that fetches and unpacks them.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "bindings/binding.hpp"
#include "bindings/modules.hpp"
#include "bindings/table.hpp"
#include "core/image_store.hpp"
#include "sys/file.hpp"

namespace ccsand {

namespace {
Result<int> root_body(lua_State* L) {
  std::string name = CCSAND_TRY(text_argument(L, 1, "root"));
  push_text(L, CCSAND_TRY(image_root(name)));
  return 1;
}
Result<int> has_body(lua_State* L) {
  std::string name = CCSAND_TRY(text_argument(L, 1, "has"));
  CCSAND_TRY(image_root(name));  // for its judgement of the name
  lua_pushboolean(L, has_image(name));
  return 1;
}
Result<int> directory_body(lua_State* L) {
  push_text(L, store_directory());
  return 1;
}
Result<int> begin_body(lua_State* L) {
  push_text(L, CCSAND_TRY(begin_image()));
  return 1;
}
Result<int> commit_body(lua_State* L) {
  std::string directory = CCSAND_TRY(text_argument(L, 1, "commit"));
  std::string name = CCSAND_TRY(text_argument(L, 2, "commit"));
  CCSAND_TRY(commit_image(directory, name));
  return 0;
}
Result<int> discard_body(lua_State* L) {
  std::string argument = CCSAND_TRY(text_argument(L, 1, "discard"));
  CCSAND_TRY(discard_image(argument));
  return 0;
}
Result<int> remove_body(lua_State* L) {
  std::string argument = CCSAND_TRY(text_argument(L, 1, "remove"));
  CCSAND_TRY(remove_image(argument));
  return 0;
}

// CCSAND_IMAGE_TOOL, else beside this program in its build tree, else installed.
Result<int> tool_body(lua_State* L) {
  std::string self(4096, '\0');
  self.resize(CCSAND_TRY(sys::readlinkat(AT_FDCWD, "/proc/self/exe", self.data(), self.size())));
  std::string beside = self.substr(0, self.rfind('/'));
  const char* named = std::getenv("CCSAND_IMAGE_TOOL");
  for (const std::string& path : {std::string(named != nullptr ? named : ""), beside + "/src/imagetool/ccsand-image",
                                  beside + "/ccsand-image", beside + "/../libexec/ccsand/ccsand-image",
                                  std::string(CCSAND_LIBEXEC "/ccsand-image")}) {
    if (path.empty() || access(path.c_str(), X_OK) != 0) continue;
    push_text(L, path);
    return 1;
  }
  return make_error(ENOENT, "ccsand-image", "", "the program that fetches and unpacks images is not installed",
                    "install it beside ccsand, or name it in CCSAND_IMAGE_TOOL");
}

constexpr Function kFunctions[] = {{"root", binding<root_body>},     {"has", binding<has_body>},
                                   {"directory", binding<directory_body>}, {"begin", binding<begin_body>},
                                   {"commit", binding<commit_body>}, {"discard", binding<discard_body>},
                                   {"remove", binding<remove_body>}, {"tool", binding<tool_body>}};
}  // namespace

int open_store(lua_State* L) {
  lua_createtable(L, 0, 8);
  register_functions(L, kFunctions);
  return 1;
}

}  // namespace ccsand
