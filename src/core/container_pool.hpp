// Containers that are assembled before anybody has a command for them: what they have in common is read, checked and
// compiled once, and done once by a zygote.
#pragma once

#include <memory>

#include "core/container_spec.hpp"
#include "core/running.hpp"

namespace ccsand {

class Zygote;

class ContainerPool {
 public:
  // `options` are those of the runs.
  static Result<std::unique_ptr<ContainerPool>> create(ContainerSpec spec, RunOptions options);
  ~ContainerPool();
  // One more, that assembles itself: Running::get_ready(), release().
  // `with_input`: what it reads is told with its command; else it is /dev/null.
  Result<std::unique_ptr<Running>> prepare(bool with_input);

 private:
  ContainerPool();
  Result<std::unique_ptr<Running>> prepare_one(bool with_input);
  [[nodiscard]] bool clones(bool spare_network) const;
  [[nodiscard]] std::shared_ptr<const Plan> compile_as(bool spare_network) const;
  Result<void> start_zygote();
  ContainerSpec spec_;
  RunOptions options_;
  bool reused_ = false;  // more than one is made of it
  bool tried_zygote_ = false;
  std::shared_ptr<const Plan> plan_, networked_;
  std::shared_ptr<Zygote> zygote_;
};

}  // namespace ccsand
