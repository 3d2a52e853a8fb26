// A process of ours from which the containers of a pool are cloned: it has done once what each of them would do, and is
// where they start. Its mount namespace has nothing in it but their root, so that a copy costs little; its bounding
// set is theirs; and their clones are beside this process's own work. It shares this one's memory, is sent the descriptors
// that each needs, and its children are this one's: clone(2) CLONE_PARENT.
#pragma once

#include <memory>

#include "core/background_launch.hpp"
#include "core/container_spec.hpp"

namespace ccsand {

namespace launching {
struct Birth;
}  // namespace launching

class Zygote {
 public:
  // Returns when it is ready. Null where containers of that kind cannot have one (can_have_zygote), or not here: no device
  // node can be made, or memory cannot be shared.
  static Result<std::shared_ptr<Zygote>> start(const ContainerSpec& spec, bool guards_network);
  ~Zygote();  // ends it; what is born goes on

  // Has it make a clone, soon; `birth` stays until await() has returned, whatever that has answered. The child closes the
  // leftovers first of all, as the last who has them.
  Result<void> ask(launching::Birth& birth, const std::vector<Fd>& leftovers);
  // Until it is made, or could not be: its `child`. An error where the zygote was killed before it made it; one that
  // does not answer (it was stopped, say) is killed.
  Result<void> await(launching::Birth& birth);
  // False where it was killed from outside, and in a forked copy of this process.
  [[nodiscard]] bool is_of_use() const;
  [[nodiscard]] const Identity& identity() const { return identity_; }  // looked up in the root

 private:
  Zygote();
  Error killed() const;  // and so it is
  Plan plan_;
  Fd orders_;       // this end of its socket
  int socket_ = -1;  // the other's number in its table
  std::unique_ptr<BackgroundLaunch> process_;
  Identity identity_;
  std::uint64_t owner_;
};

}  // namespace ccsand
