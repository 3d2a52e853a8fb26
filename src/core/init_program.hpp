// The bytes of ccsand-init, an ELF program that the build embeds.
#pragma once

#include <string_view>

namespace ccsand {
std::string_view init_program();
}
