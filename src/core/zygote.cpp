#include "core/zygote.hpp"

#include <array>
#include <cerrno>

#include "core/generation.hpp"
#include "core/launching.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"

namespace ccsand {

using namespace launching;

namespace launching {
// What is asked, in turn: this process writes at `asked`, the zygote reads at `made`.
struct Orders {
  static constexpr std::uint32_t kMost = 1024;
  std::array<Birth*, kMost> births = {};
  std::uint32_t asked = 0, made = 0;
};
}  // namespace launching

namespace {
// ---- the zygote's side: nothing allocates

void make(Birth& birth) {
  birth.child = sys::clone_shared(birth.request, birth.stack, kStackSize, container_entry, birth.child_side);
  for (Fd& fd : birth.leftovers) fd.close();  // the child has them, too, and is the last
  store(birth.done, 1);
  sys::futex_wake(&birth.done);
}
void serve(void* argument) {
  Orders& orders = *static_cast<Orders*>(argument);
  for (;;) {
    std::uint32_t asked = load(orders.asked);
    if (orders.made == asked) {
      (void)sys::futex_wait(&orders.asked, asked, -1);
      continue;
    }
    Birth& birth = *orders.births[orders.made % Orders::kMost];
    store(orders.made, orders.made + 1);
    make(birth);
  }
}
}  // namespace

Zygote::Zygote() : orders_(std::make_unique<Orders>()), owner_(process_generation()) {}
Zygote::~Zygote() = default;

Result<std::shared_ptr<Zygote>> Zygote::start(const ContainerSpec& spec) {
  if (!can_have_zygote(spec)) return std::shared_ptr<Zygote>();
  std::shared_ptr<Zygote> zygote(new Zygote);
  zygote->plan_ = compile_zygote(spec);
  if (clone_of(zygote->plan_).copies_memory) return std::shared_ptr<Zygote>();
  zygote->process_ = CCSAND_TRY(BackgroundLaunch::begin_own(zygote->plan_, serve, zygote->orders_.get()));
  CCSAND_TRY(zygote->process_->ready());
  Context& context = zygote->process_->context();
  if (context.devices_to_bind) return std::shared_ptr<Zygote>();
  zygote->identity_ = context.identity;
  for (Slot slot = 0; slot < zygote->plan_.slots(); ++slot) context.take(slot).close();
  return zygote;
}

void Zygote::ask(Birth& birth) {
  birth.done = 0;
  birth.request.as_sibling = true;
  orders_->births[orders_->asked % Orders::kMost] = &birth;
  store(orders_->asked, orders_->asked + 1);
  sys::futex_wake(&orders_->asked);
}
Result<void> Zygote::await(Birth& birth) {
  constexpr std::int64_t kLook = 20'000'000;  // one that was killed wakes nobody
  while (load(birth.done) == 0)
    if (!sys::futex_wait(&birth.done, 0, kLook) && !is_of_use())
      return make_error(ECHILD, "pool", "zygote", "the process that its containers are cloned from has been killed (ECHILD)");
  return {};
}
bool Zygote::is_of_use() const { return owner_ == process_generation() && process_->is_alive(); }

}  // namespace ccsand
