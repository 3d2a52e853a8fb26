// Compiles the Lua tree to bytecode and writes it as a C++ source:
//   ccsand-compile-lua OUTPUT DIRECTORY FILE...
#include <cstdio>
#include <cstring>
#include <lua.hpp>
#include <string>

namespace {
int append(lua_State*, const void* data, std::size_t size, void* text) {
  static_cast<std::string*>(text)->append(static_cast<const char*>(data), size);
  return 0;
}

// "ccsand/sys.lua" -> "=ccsand.sys", which is what errors show; recipes keep their path.
std::string chunk_name(const std::string& file) {
  if (file.rfind("recipes/", 0) == 0) return "@" + file;
  std::string name = "=" + file.substr(0, file.size() - 4);
  for (char& c : name)
    if (c == '/') c = '.';
  return name;
}

bool compile(const std::string& directory, const std::string& file, std::string& bytecode) {
  std::string path = directory + "/" + file;
  std::FILE* input = std::fopen(path.c_str(), "rb");
  if (input == nullptr) return std::fprintf(stderr, "%s: cannot be read\n", path.c_str()), false;
  std::string source;
  char part[4096];
  for (std::size_t size = 0; (size = std::fread(part, 1, sizeof part, input)) > 0;) source.append(part, size);
  std::fclose(input);
  lua_State* L = luaL_newstate();
  luaL_openlibs(L);  // 64-bit literals (1ULL) need the ffi library when they are read
  bool good = luaL_loadbuffer(L, source.data(), source.size(), chunk_name(file).c_str()) == 0 &&
              lua_dump(L, append, &bytecode) == 0;
  if (!good) std::fprintf(stderr, "%s\n", lua_tostring(L, -1));
  lua_close(L);
  return good;
}

void write_bytes(std::FILE* output, const std::string& bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i)
    std::fprintf(output, "%s%d,", i % 32 == 0 ? "\n" : "", static_cast<int>(static_cast<signed char>(bytes[i])));
}
}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  std::FILE* output = std::fopen(argv[1], "w");
  if (output == nullptr) return 1;
  std::fputs("#include \"bindings/lua_tree.hpp\"\nnamespace ccsand {\nnamespace {\n", output);
  std::string entries;
  for (int i = 3; i < argc; ++i) {
    std::string bytecode;
    if (!compile(argv[2], argv[i], bytecode)) return 1;
    std::fprintf(output, "constexpr char file_%d[] = {", i);
    write_bytes(output, bytecode);
    std::fputs("};\n", output);
    entries += "    {\"" + std::string(argv[i]) + "\", {file_" + std::to_string(i) + ", sizeof file_" + std::to_string(i) + "}},\n";
  }
  std::fprintf(output, "constexpr LuaFile files[] = {\n%s};\n}\nstd::span<const LuaFile> lua_tree() { return files; }\n}\n",
               entries.c_str());
  return std::fclose(output) == 0 ? 0 : 1;
}
