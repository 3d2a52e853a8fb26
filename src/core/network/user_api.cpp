// The API socket of slirp4netns: a request to a connection.
#include "core/network/user_api.hpp"

#include <jansson.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/mount.hpp"
#include "sys/socket.hpp"

namespace ccsand {

namespace {
struct Free {
  void operator()(json_t* value) const { json_decref(value); }
  void operator()(char* text) const { free(text); }
};
using Json = std::unique_ptr<json_t, Free>;

constexpr std::size_t kMostAnswer = 4096;

Result<std::string> read_answer(int socket) {
  std::string text(kMostAnswer, '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    std::size_t size = CCSAND_TRY(sys::read(socket, &text[used], text.size() - used, "slirp4netns"));
    if (size == 0) break;
    used += size;
  }
  text.resize(used);
  return text;
}
// {"return": ...}, or {"error": {"desc": "..."}}: "" or why not.
std::string refusal_in(const std::string& answer) {
  Json value(json_loadb(answer.data(), answer.size(), 0, nullptr));
  if (json_object_get(value.get(), "return") != nullptr) return "";
  const char* words = json_string_value(json_object_get(json_object_get(value.get(), "error"), "desc"));
  return std::string("slirp4netns: ") + (words != nullptr ? words : "it gave no answer");
}
}  // namespace

Result<UserApi> UserApi::make() {
  Fd fs = CCSAND_TRY(sys::fsopen("tmpfs"));
  CCSAND_TRY(sys::fsconfig_set_string(fs.get(), "mode", "0700"));
  CCSAND_TRY(sys::fsconfig_create(fs.get(), "tmpfs"));
  UserApi api;
  api.directory_ = CCSAND_TRY(sys::fsmount(fs.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  return api;
}
std::string UserApi::path() const { return "/proc/self/fd/" + std::to_string(directory_.get()) + "/api"; }

Result<void> UserApi::publish(const PublishedPort& port) {
  IpAddress host = port.host.value_or(IpAddress());
  // The container's address is the one that slirp4netns has given it.
  Json request(json_pack("{s:s, s:{s:s, s:s#, s:i, s:i}}", "execute", "add_hostfwd", "arguments", "proto", port.udp ? "udp" : "tcp",
                         "host_addr", host.text().view().data(), static_cast<int>(host.text().view().size()), "host_port", int{port.host_port},
                         "guest_port", int{port.port}));
  std::unique_ptr<char, Free> text(json_dumps(request.get(), JSON_COMPACT));
  if (!text) return make_error(ENOMEM, "publish", "", "out of memory");
  Fd socket = CCSAND_TRY(sys::connect_unix(path()));
  CCSAND_TRY(sys::send_message(socket.get(), text.get()));
  CCSAND_TRY(sys::end_writing(socket.get()));
  std::string why = refusal_in(CCSAND_TRY(read_answer(socket.get())));
  if (why.empty()) return {};
  return make_error(EIO, "publish", name_of_port(host, port.host_port, port.udp).view(), why);
}

}  // namespace ccsand
