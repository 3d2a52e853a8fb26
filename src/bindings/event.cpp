// ccsand.event: one step of waiting for everything that runs, for ccsand.loop.
#include <poll.h>

#include <cerrno>
#include <cmath>

#include "bindings/binding.hpp"
#include "bindings/interrupt.hpp"
#include "bindings/modules.hpp"
#include "bindings/table.hpp"
#include "core/clock.hpp"
#include "core/running.hpp"
#include "core/signals.hpp"

namespace ccsand {

namespace {

// Seconds of CLOCK_MONOTONIC; nil or what is infinite: none.
std::int64_t deadline_of(lua_State* L, int index) {
  double seconds = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : -1;
  if (!(seconds >= 0) || seconds > 9e9) return -1;
  return static_cast<std::int64_t>(std::ceil(seconds * 1e9));  // never before its time
}

// begin(f): this coroutine runs a loop; f answers the error of a deadline that has passed.
int watch_function = LUA_NOREF;
Result<int> begin_body(lua_State* L) {
  if (lua_type(L, 1) != LUA_TFUNCTION) return make_error(EINVAL, "begin", "", "takes a function");
  lua_settop(L, 1);
  luaL_unref(L, LUA_REGISTRYINDEX, watch_function);
  watch_function = luaL_ref(L, LUA_REGISTRYINDEX);
  set_loop_thread(L);
  Running::keep_news(true);
  return 0;
}
Result<int> finish_body(lua_State* L) {
  set_loop_thread(nullptr);
  Running::keep_news(false);
  CCSAND_TRY(watch_deadline(-1, LUA_NOREF));
  luaL_unref(L, LUA_REGISTRYINDEX, watch_function);
  watch_function = LUA_NOREF;
  return 0;
}
// watch(deadline): what runs from then on gets the error; nil ends it
Result<int> watch_body(lua_State* L) {
  CCSAND_TRY(watch_deadline(deadline_of(L, 1), watch_function));
  return 0;
}

// step(deadline, news, descriptors, ready): waits until something happens. Fills `news` with ids of containers, and
// `ready` with those of `descriptors` ({ number, events, ... }) that are ready; answers how many of both there are.
Result<int> step_body(lua_State* L) {
  std::vector<pollfd> extra;
  std::vector<std::uint64_t> news;
  if (lua_istable(L, 3)) {
    for (int i = 1, count = static_cast<int>(lua_objlen(L, 3)); i < count; i += 2) {
      lua_rawgeti(L, 3, i);
      lua_rawgeti(L, 3, i + 1);
      extra.push_back({static_cast<int>(lua_tointeger(L, -2)), static_cast<short>(lua_tointeger(L, -1)), 0});
      lua_pop(L, 2);
    }
  }
  auto done = Running::step(deadline_of(L, 1), extra, news);
  if (!done && done.error().code != EINTR) return done.error();
  for (std::size_t i = 0; i < news.size(); ++i) {
    lua_pushnumber(L, static_cast<double>(news[i]));
    lua_rawseti(L, 2, static_cast<int>(i + 1));
  }
  int ready = 0;
  for (const pollfd& one : extra) {
    if (one.revents == 0) continue;
    lua_pushinteger(L, one.fd);
    lua_rawseti(L, 4, ++ready);
  }
  lua_pushnumber(L, static_cast<double>(news.size()));
  lua_pushinteger(L, ready);
  return 2;
}
// interrupt(): the error of a signal that has come, which is then over, and whether code that ran has got it
Result<int> interrupt_body(lua_State* L) {
  int signal = take_interrupt();
  if (signal == 0) return 0;
  forget_interrupt_hook(L);
  push_interrupt(L, signal);
  lua_pushboolean(L, take_interrupt_raised());
  return 2;
}

Result<int> now_body(lua_State* L) {
  lua_pushnumber(L, static_cast<double>(monotonic_ns()) / 1e9);
  return 1;
}
// duration("1.5s"): seconds
Result<int> duration_body(lua_State* L) {
  if (lua_type(L, 1) != LUA_TNUMBER && lua_type(L, 1) != LUA_TSTRING)
    return make_error(EINVAL, "", "time", "must be a time in seconds or text such as \"1.5s\"");
  std::size_t size = 0;
  const char* text = lua_tolstring(L, 1, &size);
  lua_pushnumber(L, static_cast<double>(CCSAND_TRY(parse_duration_ns({text, size}))) / 1e9);
  return 1;
}

// size("64M"): bytes
Result<int> size_body(lua_State* L) {
  if (lua_type(L, 1) != LUA_TNUMBER && lua_type(L, 1) != LUA_TSTRING)
    return make_error(EINVAL, "", "size", "must be a number of bytes or text such as \"64M\"");
  std::size_t size = 0;
  const char* text = lua_tolstring(L, 1, &size);
  lua_pushnumber(L, static_cast<double>(CCSAND_TRY(parse_size({text, size}))));
  return 1;
}

constexpr Function kFunctions[] = {{"begin", binding<begin_body>},   {"finish", binding<finish_body>},
                                   {"watch", binding<watch_body>},   {"interrupt", binding<interrupt_body>}, {"step", binding<step_body>},
                                   {"now", binding<now_body>},       {"duration", binding<duration_body>},
                                   {"size", binding<size_body>}};
}  // namespace

int open_event(lua_State* L) {
  lua_createtable(L, 0, 6);
  register_functions(L, kFunctions);
  return 1;
}

}  // namespace ccsand
