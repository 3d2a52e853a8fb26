// Checks the recipes that it is given, and lends them a function of its own.
#include <ccsand/host.hpp>
#include <cstdio>
#include <lua.hpp>

namespace {
int answer(lua_State* L) {
  lua_pushinteger(L, 42);
  return 1;
}
}  // namespace

int main(int argc, char** argv) {
  auto host = ccsand::Host::create();
  if (!host) return std::fprintf(stderr, "%s\n", host.error().message().c_str()), 1;
  lua_register((*host)->state(), "answer", answer);

  ccsand::RecipeOptions options;
  options.mode = ccsand::RecipeMode::check;
  for (int i = 1; i < argc; ++i) {
    auto status = (*host)->run_recipe(argv[i], {}, options);
    if (!status) return std::fprintf(stderr, "%s: %s\n", argv[i], status.error().message().c_str()), 1;
    std::printf("%s: %d\n", argv[i], *status);
  }
  return 0;
}
