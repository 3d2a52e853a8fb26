// The rules for names in an archive.
#include "imagetool/path.hpp"

#include <algorithm>
#include <cerrno>

namespace ccsand::imagetool {

namespace {
// Takes the first component, and its slash, off `path`.
std::string_view next_component(std::string_view& path) {
  std::size_t slash = std::min(path.find('/'), path.size());
  std::string_view component = path.substr(0, slash);
  path.remove_prefix(std::min(slash + 1, path.size()));
  return component;
}
}  // namespace

Error refusal(std::string_view name, std::string_view reason) {
  // Long names are cut in the middle of nothing: the tail tells more than the head.
  constexpr std::size_t kShown = 400;
  std::string shown = "'";
  if (name.size() > kShown) shown += "...";
  shown.append(name.substr(name.size() > kShown ? name.size() - kShown : 0)).append("'");
  return make_error(EINVAL, "entry", shown, reason);
}

Result<std::string> clean_path(const char* name, std::string_view entry) {
  if (name == nullptr || *name == '\0') return refusal(entry, "an empty name");
  std::string_view rest = name;
  if (rest.front() == '/') return refusal(entry, "absolute paths are refused");
  if (rest.size() > kMaxPath) return refusal(entry, "a path longer than 4095 bytes");
  std::string path;
  while (!rest.empty()) {
    std::string_view component = next_component(rest);
    if (component == "..") return refusal(entry, "'..' in a path is refused");
    if (component.size() > kMaxComponent) return refusal(entry, "a name longer than 255 bytes");
    if (component.empty() || component == ".") continue;
    if (!path.empty()) path.push_back('/');
    path.append(component);
  }
  return path;
}

std::size_t levels_climbed(std::string_view target) {
  std::ptrdiff_t level = 0;
  std::ptrdiff_t lowest = 0;
  while (!target.empty()) {
    std::string_view component = next_component(target);
    if (component.empty() || component == ".") continue;
    level += component == ".." ? -1 : 1;
    lowest = std::min(lowest, level);
  }
  return static_cast<std::size_t>(-lowest);
}

std::string parent_of(std::string_view path) {
  std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash));
}

std::string last_of(std::string_view path) {
  std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

}  // namespace ccsand::imagetool
