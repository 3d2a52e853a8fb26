// A plan in the making, and the parts of it that concern the container's root.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/container_spec.hpp"

namespace ccsand {

bool is_root_shared(const ContainerSpec& spec);  // by the containers of a pool

// What the parts of a plan need to know of each other.
struct PlanBuilder {
  PlanBuilder(const ContainerSpec& of, const Assembly& as) : spec(of), assembly(as), own_user(of.user.kind == NamespaceChoice::fresh) {}

  const ContainerSpec& spec;
  const Assembly& assembly;
  Plan plan;
  bool own_user;               // a new user namespace: the child starts as nobody in it
  Slot root_tree = kNoSlot;    // the detached root
  Slot root = kNoSlot;         // the container's root, attached
  Slot devices = kNoSlot;
  Slot host_proc = kNoSlot, host_sys = kNoSlot;  // of a zygote without a root: as they are here
  Slot user_namespace = kNoSlot;
  std::vector<Slot> sources;   // of spec.mounts; kNoSlot where it is not a bind mount
  Slot init = kNoSlot;
  std::shared_ptr<const NetworkSpec> network;  // where it is more than loopback
  Slot hosts = kNoSlot, resolver = kNoSlot;  // the files of names
  Slot terminal = kNoSlot;
  RestrictSelf restriction;    // to the ruleset of Landlock, where there is one
  std::vector<std::pair<std::uint64_t, Slot>> joined;  // opened namespaces, the user namespace last
  int covers = 0;              // mounts on the old root's place that stay there

  [[nodiscard]] Slot joined_slot(std::uint64_t kind) const {
    for (const auto& [opened, slot] : joined)
      if (opened == kind) return slot;
    return kNoSlot;
  }
  // Whether the network namespace is there as soon as the child is.
  [[nodiscard]] bool born_networked() const { return spec.user.kind != NamespaceChoice::joined; }
  // Whether it is born in its root.
  [[nodiscard]] bool has_root() const { return assembly.from_zygote && is_root_shared(spec); }
  [[nodiscard]] Place in_root(std::string path) const { return {root, std::move(path)}; }
};

// The host's side: opens the root, and what is mounted into it.
void open_root(PlanBuilder& b);
void open_sources(PlanBuilder& b);
// The container's side: the root beside the old one, with all of its mounts; then in its place.
void assemble_tree(PlanBuilder& b);
void assemble_mounts(PlanBuilder& b);
// For a zygote, in place of a root: a directory with the host's /proc and /sys, where containers assemble theirs.
void open_kernel_filesystems(PlanBuilder& b);
void assemble_bare(PlanBuilder& b);
void swap_roots(PlanBuilder& b);

}  // namespace ccsand
