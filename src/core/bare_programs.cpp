// Embedded programs as files.
#include "core/bare_programs.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>

#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand {

Result<Fd> open_sealed(std::string_view program, const char* name) {
  auto made = sys::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (!made && made.error().code == EINVAL)  // before Linux 6.3 there is no MFD_EXEC
    made = sys::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (!made) return made.error();
  CCSAND_TRY(sys::write_all(made->get(), program, name));
  CCSAND_TRY(sys::add_seals(made->get(), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
  return std::move(*made);
}

}  // namespace ccsand
