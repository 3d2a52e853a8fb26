// Calling a recipe's functions, on the host's side and in the child.
#include "bindings/hook.hpp"

#include <luajit.h>

#include <cerrno>
#include <cstdio>

#include "bindings/binding.hpp"

namespace ccsand {

namespace {

class LuaHook : public Hook {
 public:
  LuaHook(lua_State* L, int reference) : L_(L), main_(main_state(L)), reference_(reference) {}
  ~LuaHook() override { luaL_unref(main_, LUA_REGISTRYINDEX, reference_); }  // the coroutine that started it may be gone

  Result<void> run(Phase phase, Context& context, Slot root) override {
    // In the child the JIT stays off: it would map new executable pages between the
    // steps of a set-up, and traces of the parent's may assume what no longer holds.
    if (phase != Phase::created) (void)luaJIT_setmode(L_, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_rawgeti(L_, LUA_REGISTRYINDEX, reference_);
    lua_createtable(L_, 0, 3);
    push_text(L_, phase_name(phase));
    lua_setfield(L_, -2, "phase");
    if (root != kNoSlot) {
      push_text(L_, "/proc/self/fd/" + std::to_string(context.fd(root)));
      lua_setfield(L_, -2, "root");
    }
    if (context.child != 0) {
      lua_pushinteger(L_, context.child);
      lua_setfield(L_, -2, "pid");
    }
    bool good = lua_pcall(L_, 1, 0, 0) == 0;
    (void)std::fflush(nullptr);  // what it printed would be lost at exec
    if (good) return {};
    return error_from_lua(L_, phase_name(phase));
  }

 private:
  lua_State *L_, *main_;
  int reference_;
};

constexpr const char* kMainKey = "ccsand.main";
}  // namespace

void note_main_state(lua_State* L) {
  lua_pushthread(L);
  lua_setfield(L, LUA_REGISTRYINDEX, kMainKey);
}
lua_State* main_state(lua_State* L) {
  lua_getfield(L, LUA_REGISTRYINDEX, kMainKey);
  lua_State* main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main != nullptr ? main : L;
}

Error error_from_lua(lua_State* L, const char* operation) {
  Error error;
  error.code = ECANCELED;
  error.operation = operation;
  if (lua_istable(L, -1)) {
    lua_getfield(L, -1, "errno");
    if (lua_isnumber(L, -1) != 0) error.code = static_cast<int>(lua_tointeger(L, -1));
    lua_getfield(L, -2, "exit_status");
    if (lua_isnumber(L, -1) != 0) error.exit_status = static_cast<int>(lua_tointeger(L, -1));
    lua_pop(L, 2);
  }
  // tostring by the metatable, without raising anew.
  if (luaL_callmeta(L, -1, "__tostring") == 0) lua_pushvalue(L, -1);
  std::size_t size = 0;
  const char* text = lua_tolstring(L, -1, &size);
  if (text != nullptr) error.reason.append({text, size});
  else error.reason.append("raised a value that is not text: ").append(luaL_typename(L, -1));
  lua_pop(L, 2);
  return error;
}

Result<void> read_hooks(lua_State* L, int index, ContainerSpec& spec) {
  for (Phase phase : {Phase::created, Phase::setup, Phase::before_exec, Phase::exited}) {
    lua_getfield(L, index, phase_name(phase));
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      continue;
    }
    if (!lua_isfunction(L, -1)) {
      Error error = make_error(EINVAL, "", std::string("container.") + phase_name(phase),
                               std::string("must be a function, got ") + luaL_typename(L, -1));
      lua_pop(L, 1);
      return error;
    }
    if (phase == Phase::exited) {  // the Lua side calls it with the result
      lua_pop(L, 1);
      continue;
    }
    spec.hooks.push_back({phase, std::make_shared<LuaHook>(L, luaL_ref(L, LUA_REGISTRYINDEX)), kNoSlot});
  }
  return {};
}

}  // namespace ccsand
