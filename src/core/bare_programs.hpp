// The programs without libc that the build embeds (src/init), and how they are executed.
#pragma once

#include <string_view>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand {

// ELF programs.
std::string_view init_program();
std::string_view performer_program();

// A program in memory that nobody can write to any more: a container reaches it through
// /proc/PID/exe. memfd_create(2)
Result<Fd> open_sealed(std::string_view program, const char* name);

}  // namespace ccsand
