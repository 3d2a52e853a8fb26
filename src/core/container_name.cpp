// Records and sockets of named containers. A record comes into its place whole, by rename(2), before the
// socket is made, and goes after it: what a crash leaves has a record that says whose it was.
#include "core/container_name.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>

#include "core/directory.hpp"
#include "core/exec_message.hpp"
#include "core/generation.hpp"
#include "core/names.hpp"
#include "sys/file.hpp"
#include "sys/inspect.hpp"
#include "sys/netlink.hpp"
#include "sys/socket.hpp"

namespace ccsand {

namespace {
constexpr std::string_view kRecord = "named-", kNewRecord = "naming-", kSocket = "exec-";
constexpr std::size_t kMostRecord = 64 * 1024, kMostCommand = 4096;
constexpr int kBacklog = 16;

std::string file_of(std::string_view kind, std::string_view name) { return std::string(kind).append(name); }

// Paths of sockets are short: this one is, wherever the directory lies.
std::string socket_path(int directory, std::string_view name) {
  return "/proc/self/fd/" + std::to_string(directory) + "/" + file_of(kSocket, name);
}

Result<Fd> open_directory() {
  std::string path = run_directory();
  return sys::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}
// The directory to make names in: who can write there could take their place.
Result<Fd> own_directory() {
  std::string path = run_directory();
  auto made = sys::mkdirat(AT_FDCWD, path.c_str(), 0700);
  if (!made && made.error().code != EEXIST) return made.error();
  Fd directory = CCSAND_TRY(open_directory());
  auto status = CCSAND_TRY(sys::fstatat(directory.get(), "", AT_EMPTY_PATH));
  if (status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return make_error(EPERM, "name", "'" + path + "'", "it can be written by others, or is not yours", "chmod 700 it, or set CCSAND_RUN_DIR");
  return directory;
}

// ---- records

std::string text_of(const NamedContainer& one) {
  std::string text;
  add_field(text, "name", one.name);
  add_field(text, "holder", std::to_string(one.holder.pid));
  add_field(text, "holder_start", std::to_string(one.holder.start));
  add_field(text, "pid", std::to_string(one.pid));
  add_field(text, "since", std::to_string(one.since));
  std::size_t room = kMostCommand;
  for (const std::string& word : one.command) {
    add_field(text, "command", word.substr(0, room));
    room -= std::min(room, word.size());
    if (room == 0) break;  // for people to read
  }
  return text;
}

Result<NamedContainer> parse_record(std::string_view text) {
  NamedContainer one;
  for (const auto& [key, value] : CCSAND_TRY(read_fields(text))) {
    if (key == "name") one.name = value;
    else if (key == "holder") one.holder.pid = static_cast<pid_t>(CCSAND_TRY(read_number(value, "a process")));
    else if (key == "holder_start") one.holder.start = static_cast<std::uint64_t>(CCSAND_TRY(read_number(value, "a time")));
    else if (key == "pid") one.pid = static_cast<pid_t>(CCSAND_TRY(read_number(value, "a process")));
    else if (key == "since") one.since = CCSAND_TRY(read_number(value, "a time"));
    else if (key == "command") one.command.emplace_back(value);
  }
  return one;
}

Result<NamedContainer> read_record(int directory, const std::string& file) {
  Fd record = CCSAND_TRY(sys::openat2(directory, file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  std::string text(kMostRecord, '\0');
  std::size_t size = CCSAND_TRY(sys::read(record.get(), text.data(), text.size(), file));
  return parse_record(std::string_view(text).substr(0, size));
}
Result<void> write_record(int directory, const NamedContainer& one) {
  std::string fresh = file_of(kNewRecord, one.name);
  Fd file = CCSAND_TRY(sys::openat2(directory, fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
  CCSAND_TRY(sys::write_all(file.get(), text_of(one), fresh));
  return sys::renameat2(directory, fresh.c_str(), directory, file_of(kRecord, one.name).c_str(), 0);
}

void remove_files(int directory, std::string_view name) {
  for (std::string_view kind : {kSocket, kNewRecord, kRecord})
    (void)sys::unlinkat(directory, file_of(kind, name).c_str(), 0);  // what is not there need not go
}

Result<Fd> listen_as(int directory, std::string_view name) {
  Fd socket = CCSAND_TRY(sys::seqpacket_socket(SOCK_NONBLOCK));
  mode_t mask = sys::umask(0177);
  auto bound = sys::bind(socket.get(), socket_path(directory, name));
  (void)sys::umask(mask);
  CCSAND_TRY(std::move(bound));
  CCSAND_TRY(sys::listen(socket.get(), kBacklog));
  return socket;
}

std::vector<std::string> files_in(int directory) {
  std::vector<std::string> files;
  (void)for_each_entry(directory, "run directory", [&files](const char* file, unsigned char) {  // the rest is found the next time
    if (is_name_file(file)) files.emplace_back(file);
  });
  return files;
}
std::string_view name_in(std::string_view file) { return file.substr(file.find('-') + 1); }
}  // namespace

Result<void> check_container_name(std::string_view name) {
  auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  bool good = !name.empty() && name.size() <= 63 && (is_letter(name[0]) || is_digit(name[0]));
  for (char c : name) good = good && (is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-');
  if (!good)
    return make_error(EINVAL, "name", "'" + std::string(name.substr(0, 80)) + "'",
                      "must be 1 to 63 letters, digits, '.', '_' and '-', and begin with a letter or a digit");
  if (std::all_of(name.begin(), name.end(), is_digit))
    return make_error(EINVAL, "name", "'" + std::string(name) + "'", "is a number, and would be taken for a pid", "put a letter before it");
  return {};
}

// ---- a name of this process

Result<ContainerName> ContainerName::take(const std::string& name) {
  CCSAND_TRY(check_container_name(name));
  ContainerName taken;
  taken.directory_ = CCSAND_TRY(own_directory());
  int directory = taken.directory_.get();
  Fd lock = CCSAND_TRY(open_directory());  // a lock is its descriptor's
  CCSAND_TRY(sys::lock_directory(lock.get(), run_directory()));
  auto other = read_record(directory, file_of(kRecord, name));
  if (other && is_alive(other->holder))
    return make_error(EEXIST, "name", "'" + name + "'", "a container of the ccsand that is process " + std::to_string(other->holder.pid) + " has it",
                      "take another one; 'ccsand list' has those that are taken");
  remove_files(directory, name);
  taken.record_.name = name;
  taken.record_.holder = own_key();
  taken.owner_ = process_generation();
  CCSAND_TRY(write_record(directory, taken.record_));
  taken.socket_ = CCSAND_TRY(listen_as(directory, name));
  return taken;
}
ContainerName::ContainerName(ContainerName&& other) noexcept
    : record_(std::move(other.record_)),
      directory_(std::move(other.directory_)),
      socket_(std::move(other.socket_)),
      owner_(std::exchange(other.owner_, 0)) {}
ContainerName::~ContainerName() {
  if (owner_ != 0 && owner_ == process_generation()) remove_files(directory_.get(), record_.name);
}
Result<void> ContainerName::tell(pid_t pid, const std::vector<std::string>& command) {
  record_.pid = pid;
  record_.command = command;
  record_.since = time(nullptr);
  return write_record(directory_.get(), record_);
}

// ---- for others

Result<std::vector<NamedContainer>> named_containers() {
  std::vector<NamedContainer> all;
  auto directory = open_directory();
  if (!directory && directory.error().code == ENOENT) return all;
  if (!directory) {
    Error error = directory.error();
    if (error.code == EACCES) error.hint = "run it as who runs the containers: root, by sudo";
    return error;
  }
  for (const std::string& file : files_in(directory->get())) {
    if (!file.starts_with(kRecord)) continue;
    auto one = read_record(directory->get(), file);  // it may have gone by now
    if (one && one->name == name_in(file) && one->pid > 0 && is_alive(one->holder)) all.push_back(std::move(*one));
  }
  std::sort(all.begin(), all.end(), [](const NamedContainer& a, const NamedContainer& b) { return a.name < b.name; });
  return all;
}

Result<NamedContainer> find_container(std::string_view name_or_pid) {
  auto all = CCSAND_TRY(named_containers());
  std::vector<std::string_view> names;
  for (const NamedContainer& one : all) {
    if (one.name == name_or_pid || std::to_string(one.pid) == name_or_pid) return one;
    names.push_back(one.name);
  }
  std::string_view near = nearest(name_or_pid, names);
  std::string reason = "no container of this name or pid runs";
  if (!near.empty()) reason.append("; did you mean '").append(near).append("'?");
  return make_error(ESRCH, "exec", "'" + std::string(name_or_pid.substr(0, 80)) + "'", reason,
                    all.empty() ? "none has a name: 'ccsand --name NAME RECIPE' gives one, as does the key 'name'" : "'ccsand list' has those that run");
}

Result<Fd> connect_to(const NamedContainer& container) {
  Fd directory = CCSAND_TRY(open_directory());
  Fd socket = CCSAND_TRY(sys::seqpacket_socket(0));
  auto connected = sys::connect(socket.get(), socket_path(directory.get(), container.name));
  if (!connected) return connected.error().in("container '" + container.name + "'");
  return socket;
}

// ---- the sweep

bool is_name_file(std::string_view file) { return file.starts_with(kRecord) || file.starts_with(kNewRecord) || file.starts_with(kSocket); }

void sweep_names() {
  auto directory = open_directory();
  if (!directory) return;
  Fd lock;
  for (const std::string& file : files_in(directory->get())) {
    std::string name(name_in(file)), record = file_of(kRecord, name);
    // Of what lives, no lock is taken: it is on the way of every start.
    if (auto one = read_record(directory->get(), record); one && is_alive(one->holder)) continue;
    if (!lock.open()) {
      auto opened = open_directory();
      if (!opened || !sys::lock_directory(opened->get(), run_directory())) return;  // left to the next start
      lock = std::move(*opened);
    }
    auto now = read_record(directory->get(), record);  // it may have been taken again meanwhile
    if (now ? !is_alive(now->holder) : now.error().code != EMFILE && now.error().code != ENFILE && now.error().code != ENOMEM) remove_files(directory->get(), name);
  }
}

}  // namespace ccsand
