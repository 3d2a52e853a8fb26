// seccomp(2) and the notifications of seccomp_unotify(2). No policy.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand::sys {

// SECCOMP_SET_MODE_FILTER; with SECCOMP_FILTER_FLAG_NEW_LISTENER the listener's
// descriptor, which closes at exec, else 0.
Result<int> load_filter(const sock_filter* program, std::size_t length, unsigned long flags);

// Caller and supervisor take turns: the kernel need not look for an idle CPU for who is woken.
// Linux 6.6; before, nothing happens.
void take_turns(int listener);
// The next notification; EAGAIN where its process has gone meanwhile (the kernel's
// ENOENT), as poll(2) said that there was one.
Result<seccomp_notif> receive_notification(int listener);
// Whether the call that was notified still waits: what was read of its process belongs to it.
bool notification_is_valid(int listener, std::uint64_t id);
// The answer. A call that no longer waits is no error.
Result<void> answer_notification(int listener, const seccomp_notif_resp& answer);
// Gives a copy of `fd` to the waiting process, whose call returns its number. Linux 5.14
Result<void> answer_with_descriptor(int listener, std::uint64_t id, int fd, bool close_on_exec);

// Copies from another process's memory (process_vm_readv(2)): how many bytes were there,
// which is less than asked for where a page is missing.
Result<std::size_t> read_memory(pid_t pid, std::uint64_t address, std::span<char> to);

}  // namespace ccsand::sys
