// libFuzzer: any bytes as an archive. Whatever they are, unpacking must end, and what it
// refuses must leave nothing. Not part of the default build:
//   clang++ -std=gnu++20 -D_GNU_SOURCE -DCCSAND_VERSION='""' -Iinclude -Isrc -fsanitize=fuzzer,address,undefined
//     tests/fuzz/unpack_fuzz.cpp $(ls src/imagetool/*.cpp | grep -v main.cpp)
//     src/sys/{call,error,file}.cpp -larchive -lcurl -lcrypto
// Seeds: small archives of each compression. Run it where an escape would be seen: as an
// ordinary user, or in a user namespace.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "ccsand/fd.hpp"
#include "imagetool/remove.hpp"
#include "imagetool/unpack.hpp"

namespace {
// One directory for all runs: each leaves it empty.
int directory() {
  static char path[] = "/tmp/ccsand-unpack-fuzz-XXXXXX";
  static const int fd = mkdtemp(&path[0]) != nullptr ? open(&path[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  return fd;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ccsand::Fd archive(memfd_create("archive", MFD_CLOEXEC));
  if (directory() < 0 || write(archive.get(), data, size) != static_cast<ssize_t>(size)) abort();
  ccsand::imagetool::UnpackRequest request;
  request.archive = archive.get();
  request.directory = directory();
  request.max_bytes = 1 << 20;
  request.max_entries = 100;
  auto outcome = ccsand::imagetool::unpack(request);
  if (outcome && !ccsand::imagetool::remove_contents(directory())) abort();
  auto empty = ccsand::imagetool::is_empty(directory());
  if (!empty || !*empty) abort();
  return 0;
}
