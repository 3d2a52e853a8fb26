#include "core/directory.hpp"

#include <fcntl.h>

#include "ccsand/fd.hpp"
#include "sys/file.hpp"

namespace ccsand {

Result<std::string> read_text(int directory, const std::string& path) {
  Fd file = CCSAND_TRY(sys::openat2(directory, path.c_str(), O_RDONLY));
  std::string text;
  char part[4096];
  for (;;) {
    std::size_t size = CCSAND_TRY(sys::read(file.get(), &part[0], sizeof part, path));
    if (size == 0) return text;
    text.append(&part[0], size);
  }
}

}  // namespace ccsand
