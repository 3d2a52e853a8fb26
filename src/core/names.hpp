// The kernel's words and their bits: one table for each kind, used by every
// reader of recipes and every line that is printed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ccsand {

struct Name {
  std::string_view word;
  std::uint64_t value;
};

std::span<const Name> namespace_names();         // "mount" -> CLONE_NEWNS, ...
std::span<const Name> mount_attribute_names();   // "ro" -> MOUNT_ATTR_RDONLY, ...
std::span<const Name> propagation_names();       // "private" -> MS_PRIVATE, ...
std::span<const Name> unmount_names();           // "detach" -> MNT_DETACH, ...
std::span<const Name> capability_names();        // "chown" -> 0, ...
std::span<const Name> resource_names();          // "nofile" -> RLIMIT_NOFILE, ...
std::span<const Name> signal_names();            // "TERM" -> 15, ...
std::span<const Name> securebit_names();         // "noroot" -> SECBIT_NOROOT, ...
std::span<const Name> scheduler_names();         // "batch" -> SCHED_BATCH, ...
std::span<const Name> personality_names();       // "addr_no_randomize" -> ADDR_NO_RANDOMIZE, ...
// "make_dir" -> LANDLOCK_ACCESS_FS_MAKE_DIR, ...; before them the sets "write" and "read".
std::span<const Name> landlock_right_names();
std::span<const Name> landlock_scope_names();    // "signal" -> LANDLOCK_SCOPE_SIGNAL, ...

// The value of a word; case does not matter, and "cap_", "sig", "rlimit_" may stand before it.
std::optional<std::uint64_t> value_of(std::span<const Name> names, std::string_view word);
std::string_view word_of(std::span<const Name> names, std::uint64_t value);   // "" where there is none
std::string words_of_bits(std::span<const Name> names, std::uint64_t bits);   // "ro,nosuid"
std::string words_of_set(std::span<const Name> names, std::uint64_t set);     // of bit numbers: "chown,kill"

// The candidate that a misspelt word most likely meant, or "".
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);
std::string_view nearest(std::string_view word, std::span<const Name> names);

}  // namespace ccsand
