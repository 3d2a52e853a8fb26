// The Lua state: its modules, its search path, and how a recipe is run in it.
#include "ccsand/host.hpp"

#include <cstdlib>
#include <cerrno>
#include <cstring>

#include "bindings/binding.hpp"
#include "bindings/hook.hpp"
#include "bindings/interrupt.hpp"
#include "bindings/lua_tree.hpp"
#include "bindings/modules.hpp"
#include "bindings/recipe_file.hpp"
#include "core/state.hpp"

namespace ccsand {

namespace {

// ---- modules

const LuaFile* find_module(std::string_view name) {
  std::string path(name);
  for (char& c : path)
    if (c == '.') c = '/';
  for (const LuaFile& file : lua_tree())
    if (file.path == path + ".lua" || file.path == path + "/init.lua") return &file;
  return nullptr;
}

constexpr Function kModules[] = {{"ccsand.core", open_core},     {"ccsand.store", open_store},   {"ccsand.sys", open_sys},
                                 {"ccsand.cgroup", open_cgroup}, {"ccsand.netlink", open_netlink}, {"ccsand.filter", open_filter},
                                 {"ccsand.json", open_json},     {"ccsand.event", open_event},   {"ccsand.file", open_file}};

// The searcher of embedded modules.
int search_embedded(lua_State* L) {
  const char* name = luaL_checkstring(L, 1);
  const LuaFile* file = find_module(name);
  if (file == nullptr) return lua_pushfstring(L, "\n\tno module '%s' in ccsand", name), 1;
  if (luaL_loadbuffer(L, file->bytecode.data(), file->bytecode.size(), name) != 0) return lua_error(L);
  return 1;
}

void add_searcher(lua_State* L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "loaders");
  // Right behind package.preload: the names of ccsand's modules are ccsand's.
  for (int i = static_cast<int>(lua_objlen(L, -1)); i >= 2; --i) {
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushcfunction(L, search_embedded);
  lua_rawseti(L, -2, 2);
  lua_pop(L, 1);
  lua_getfield(L, -1, "preload");
  register_functions(L, kModules);
  lua_pop(L, 2);
}

// CCSAND_LUA_PATH puts a directory before everything, for development.
void add_development_path(lua_State* L) {
  const char* directory = std::getenv("CCSAND_LUA_PATH");
  if (directory == nullptr || *directory == '\0') return;
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "loaders");
  lua_rawgeti(L, -1, 2);
  lua_rawgeti(L, -2, 3);
  lua_rawseti(L, -3, 2);  // files before the embedded tree
  lua_rawseti(L, -2, 3);
  lua_pop(L, 1);
  lua_getfield(L, -1, "path");
  std::string root(directory);
  std::string path = root + "/?.lua;" + root + "/?/init.lua;" + lua_tostring(L, -1);
  push_text(L, path);
  lua_setfield(L, -3, "path");
  lua_pop(L, 2);
}

// Modules beside the recipe, never those of whatever the current directory is.
void set_recipe_path(lua_State* L, const RecipeSource& source) {
  const std::string& chunk_name = source.chunk_name;
  std::size_t slash = chunk_name.rfind('/');
  std::string directory = slash == std::string::npos ? "." : chunk_name.substr(1, slash - 1);
  lua_getglobal(L, "package");
  for (const char* field : {"path", "cpath"}) {
    lua_getfield(L, -1, field);
    std::string rest = lua_tostring(L, -1);
    lua_pop(L, 1);
    const char* own = field[0] == 'p' ? "./?.lua" : "./?.so";
    if (std::size_t at = rest.find(own); at != std::string::npos) rest.erase(at, std::strlen(own) + 1);
    push_text(L, source.shipped || field[0] == 'c' ? rest : directory + "/?.lua;" + directory + "/?/init.lua;" + rest);
    lua_setfield(L, -2, field);
  }
  lua_pop(L, 1);
}

int open_everything(lua_State* L) {
  luaL_openlibs(L);
  note_main_state(L);
  add_searcher(L);
  add_development_path(L);
  return 0;
}

// ---- recipes

void push_arguments(lua_State* L, const std::string& name, const std::vector<std::string>& arguments) {
  lua_createtable(L, static_cast<int>(arguments.size()), 1);
  push_text(L, name);
  lua_rawseti(L, -2, 0);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    push_text(L, arguments[i]);
    lua_rawseti(L, -2, static_cast<int>(i + 1));
  }
  lua_setglobal(L, "arg");
}

const char* mode_word(RecipeMode mode) {
  switch (mode) {
    case RecipeMode::run: return "run";
    case RecipeMode::plan: return "plan";
    case RecipeMode::check: return "check";
    case RecipeMode::learn: return "learn";
  }
  return "";
}

// Adds the traceback to errors that are plain text: those of ccsand name their line.
int explain_error(lua_State* L) {
  if (lua_type(L, 1) == LUA_TSTRING && std::getenv("CCSAND_TRACEBACK") != nullptr)
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

// { command = { ... }, into =, output = }, without what was not given.
void push_learn_options(lua_State* L, const LearnOptions& options) {
  lua_createtable(L, 0, 3);
  if (!options.command.empty()) {
    lua_createtable(L, static_cast<int>(options.command.size()), 0);
    for (std::size_t i = 0; i < options.command.size(); ++i) {
      push_text(L, options.command[i]);
      lua_rawseti(L, -2, static_cast<int>(i + 1));
    }
    lua_setfield(L, -2, "command");
  }
  for (const auto& [key, value] : {std::pair{"into", &options.into}, std::pair{"output", &options.output}}) {
    if (value->empty()) continue;
    push_text(L, *value);
    lua_setfield(L, -2, key);
  }
}

struct Job {
  const RecipeSource* source;
  const std::vector<std::string>* arguments;
  const RecipeOptions* options;
};

// In protected mode: loads and calls the recipe, and gives its value to ccsand.recipe.
int run_protected(lua_State* L) {
  const auto* job = static_cast<const Job*>(lua_touserdata(L, 1));
  lua_getglobal(L, "require");
  lua_pushliteral(L, "ccsand.recipe");
  lua_call(L, 1, 1);
  if (luaL_loadbuffer(L, job->source->text.data(), job->source->text.size(), job->source->chunk_name.c_str()) != 0)
    return lua_error(L);
  lua_createtable(L, static_cast<int>(job->arguments->size()), 0);
  for (std::size_t i = 0; i < job->arguments->size(); ++i) {
    push_text(L, (*job->arguments)[i]);
    lua_rawseti(L, -2, static_cast<int>(i + 1));
  }
  lua_pushstring(L, mode_word(job->options->mode));
  lua_createtable(L, 0, 4);
  lua_pushboolean(L, job->options->trace);
  lua_setfield(L, -2, "trace");
  lua_pushboolean(L, job->options->show_denied);
  lua_setfield(L, -2, "show_denied");
  if (!job->options->name.empty()) {
    push_text(L, job->options->name);
    lua_setfield(L, -2, "name");
  }
  if (job->options->mode == RecipeMode::learn) {
    push_learn_options(L, job->options->learn);
    lua_setfield(L, -2, "learn");
  }
  lua_call(L, 4, 1);
  return 1;
}

}  // namespace

Result<std::unique_ptr<Host>> Host::create() {
  std::unique_ptr<Host> host(new Host);
  host->state_ = luaL_newstate();
  if (host->state_ == nullptr) return make_error(ENOMEM, "Lua", "", "cannot make a state");
  if (lua_cpcall(host->state_, open_everything, nullptr) != 0) return error_from_lua(host->state_, "Lua");
  return host;
}

Host::~Host() {
  end_interruptible();
  if (state_ != nullptr) lua_close(state_);
  close_state();
}

Result<int> Host::run_recipe(const std::string& name, const std::vector<std::string>& arguments, const RecipeOptions& options) {
  RecipeSource source = CCSAND_TRY(find_recipe(name, options.shipped_only));
  lua_State* L = state_;
  if (options.mode == RecipeMode::run || options.mode == RecipeMode::learn) (void)sweep();  // what cannot be swept now is left to the next start
  set_recipe_path(L, source);
  push_arguments(L, name, arguments);
  Job job{&source, &arguments, &options};
  return call_interruptible(L, run_protected, &job, explain_error);
}

}  // namespace ccsand
