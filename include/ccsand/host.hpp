// The Lua host: a LuaJIT state with ccsand's modules, for programs that embed it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ccsand/result.hpp"

struct lua_State;

namespace ccsand {

enum class RecipeMode {
  run,    // a container that the recipe returns is run; its status is the result
  plan,   // ... its plan is printed; nothing of the kernel is touched
  check,  // ... it is only made and validated
  learn,  // ... it is run and watched, and the policy that it needs is written
};

// What `ccsand learn` was asked for.
struct LearnOptions {
  std::vector<std::string> command;  // in the container; empty for its own
  std::string into;                  // a policy's file to widen, "" for none
  std::string output;                // where to write, "" for there, else standard output
};

struct RecipeOptions {
  RecipeMode mode = RecipeMode::run;
  bool shipped_only = false;  // the name is that of a shipped recipe, whatever files there are
  bool show_denied = false;   // each system call that the container's policy denies is told on stderr
  std::string name;           // that the container gets, for `ccsand exec`; "" for none but its own
  LearnOptions learn;
  bool trace = false;         // each step of a container that is run is printed with its time
};

// What `ccsand test` was asked for.
struct TestOptions {
  std::vector<std::string> paths;    // files and folders; none is the current folder
  std::vector<std::string> filters;  // Lua patterns of names, or "@tag"
  std::vector<std::string> reports;  // "FORMAT" or "FORMAT=FILE"
  std::string timeout;               // of each test, such as "10s"; "" for the default
  std::uint32_t jobs = 0;            // 0 for as many as there are CPUs
  std::uint32_t repeat = 1;
  bool shuffle = false;
  std::optional<std::uint32_t> seed;
  bool update = false, keep = false, list = false, help = false;
};

// The names of the recipes that ship: "recipes/alpine.lua", ...
std::vector<std::string> shipped_recipes();

class Host {
 public:
  // A state with the standard libraries, ccsand's modules and its Lua tree. One
  // host a process: containers are this process's children.
  static Result<std::unique_ptr<Host>> create();
  ~Host();  // ends the containers that still run
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Runs a recipe: the file of that path, else that of the shipped tree. Answers the
  // exit status: the container's, the number that the recipe returned, or 0. Errors
  // carry the recipe's line in their message. A file that others than root and the
  // caller may write to is refused.
  Result<int> run_recipe(const std::string& name, const std::vector<std::string>& arguments, const RecipeOptions& options);

  // Runs test files. Answers 0 where all tests passed, 1 where not, 2 where the options make no
  // sense, 128 + signal where one ended it.
  Result<int> run_tests(const TestOptions& options);

  // The state itself, to add modules of one's own.
  [[nodiscard]] lua_State* state() const { return state_; }

 private:
  Host() = default;
  lua_State* state_ = nullptr;
};

}  // namespace ccsand
