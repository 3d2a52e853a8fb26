// A plan: the ordered operations that assemble one container, each with the side
// that performs it. It is made without touching the kernel.
#pragma once

#include <string>
#include <vector>

#include "core/operation.hpp"

namespace ccsand {

enum class Side { host, container };

struct Step {
  Side side;
  Operation operation;
};

class Plan {
 public:
  template <typename Op>
  void host(Op operation) { steps_.push_back({Side::host, std::move(operation)}); }
  template <typename Op>
  void container(Op operation) { steps_.push_back({Side::container, std::move(operation)}); }
  Slot new_slot() { return slots_++; }
  void set_terminal(Slot slot) { terminal_ = slot; }
  void set_listener(Slot slot) { listener_ = slot; }
  void set_ruleset(Slot slot) { ruleset_ = slot; }
  void add_stream(Slot slot) { streams_.push_back(slot); }
  void set_spare_network(Slot slot) { spare_network_ = slot; }

  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }
  [[nodiscard]] int slots() const { return slots_; }
  [[nodiscard]] Slot terminal() const { return terminal_; }      // where the pty's master will be
  [[nodiscard]] Slot listener() const { return listener_; }      // where the filter's listener will be
  [[nodiscard]] Slot ruleset() const { return ruleset_; }        // where Landlock's will be
  // Slots that have to be filled before the plan is carried out: so one plan is many containers'.
  [[nodiscard]] const std::vector<Slot>& streams() const { return streams_; }
  [[nodiscard]] Slot spare_network() const { return spare_network_; }
  [[nodiscard]] std::size_t clone_step() const;  // steps().size() where there is none

  // One line a step: " 9 container  mount proc on '/proc'".
  [[nodiscard]] std::string line(std::size_t index) const;
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Step> steps_;
  int slots_ = 0;
  Slot terminal_ = kNoSlot, listener_ = kNoSlot, ruleset_ = kNoSlot, spare_network_ = kNoSlot;
  std::vector<Slot> streams_;
};

}  // namespace ccsand
