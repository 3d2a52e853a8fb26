// The list of what is entered, and one turn of waiting.
#include "core/event_poll.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>
#include <span>

#include "core/generation.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"

namespace ccsand {

// epoll's bits are poll's.
static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR && EPOLLHUP == POLLHUP);

namespace {

struct Entry {
  std::uint32_t serial = 0;  // of who has this place; 0: nobody
  int fd = -1;               // as it is entered
  Fd copy;                   // where the number is entered already, for somebody else
  short events = 0, ready = 0;
  bool entered = false, always = false;
};

struct EventPoll {
  Fd epoll;
  std::uint64_t owner = 0;  // by generation
  std::uint32_t last_serial = 0;
  std::vector<Entry> entries;
  std::vector<std::uint32_t> free_places, ready_places;
  std::size_t always = 0;   // entries that are ready always
  std::optional<Error> problem;  // of what could not be entered
};
EventPoll here;

// Of a forked copy nothing is kept. The parent's numbers are left alone: what is now behind them in this
// process, nobody here can tell.
void forget_inherited() {
  (void)here.epoll.release();
  for (Entry& entry : here.entries) (void)entry.copy.release();
  std::uint32_t last_serial = here.last_serial;  // the parent's interests are none of ours
  here = EventPoll();
  here.last_serial = last_serial;
  here.owner = process_generation();
}
Result<void> make_own() {
  if (here.owner != process_generation()) forget_inherited();
  if (!here.epoll.open()) here.epoll = CCSAND_TRY(sys::epoll_create());
  return {};
}

std::uint64_t name_of(std::uint32_t place, std::uint32_t serial) { return std::uint64_t{serial} << 32 | place; }
Entry* find(std::uint32_t place, std::uint32_t serial) {
  return serial != 0 && place < here.entries.size() && here.entries[place].serial == serial ? &here.entries[place] : nullptr;
}

Result<void> enter(Entry& entry, int fd, short events, std::uint64_t name) {
  entry.fd = fd;
  entry.events = events;
  auto bits = static_cast<std::uint32_t>(events);
  auto entered = sys::epoll_ctl(here.epoll.get(), EPOLL_CTL_ADD, fd, bits, name);
  if (!entered && entered.error().code == EEXIST) {  // a terminal that two containers are joined to
    entry.copy = CCSAND_TRY(sys::dup_cloexec(fd));
    entry.fd = entry.copy.get();
    entered = sys::epoll_ctl(here.epoll.get(), EPOLL_CTL_ADD, entry.fd, bits, name);
  }
  entry.entered = entered.has_value();
  if (entered || entered.error().code == EBADF) return {};
  if (entered.error().code != EPERM) return entered.error();
  entry.always = true;  // a plain file, or the like
  ++here.always;
  return {};
}
void leave(Entry& entry) {
  if (entry.entered) (void)sys::epoll_ctl(here.epoll.get(), EPOLL_CTL_DEL, entry.fd, 0, 0);  // it was entered
  if (entry.always) --here.always;
  entry = Entry();
}

void keep_problem(Result<void> done) {
  if (!done) here.problem = done.error();
}
void note(std::uint32_t place, short events) {
  Entry& entry = here.entries[place];
  if (entry.ready == 0) here.ready_places.push_back(place);
  entry.ready = static_cast<short>(entry.ready | events);
}
}  // namespace

void Interest::change(int fd, short events) {
  Entry* entry = here.owner == process_generation() ? find(place_, serial_) : nullptr;
  if (entry != nullptr && fd == fd_ && entry->entered) {
    events_ = entry->events = events;
    return keep_problem(sys::epoll_ctl(here.epoll.get(), EPOLL_CTL_MOD, entry->fd, static_cast<std::uint32_t>(events), name_of(place_, serial_)));
  }
  if (entry != nullptr) {
    leave(*entry);
    here.free_places.push_back(place_);
  }
  fd_ = -1;
  serial_ = 0;
  if (fd < 0) return;
  if (auto own = make_own(); !own) return keep_problem(std::move(own));
  if (here.free_places.empty()) {
    here.free_places.push_back(static_cast<std::uint32_t>(here.entries.size()));
    here.entries.emplace_back();
  }
  place_ = here.free_places.back();
  if (++here.last_serial == 0) ++here.last_serial;
  auto entered = enter(here.entries[place_], fd, events, name_of(place_, here.last_serial));
  if (!entered) return keep_problem(std::move(entered));
  here.free_places.pop_back();
  here.entries[place_].serial = serial_ = here.last_serial;
  fd_ = fd, events_ = events;
}
short Interest::taken() {
  Entry* entry = find(place_, serial_);
  return entry != nullptr ? std::exchange(entry->ready, short{0}) : short{0};
}
short Interest::peek_ready() const {
  const Entry* entry = find(place_, serial_);
  return entry != nullptr ? entry->ready : short{0};
}

std::size_t events_ready() { return here.ready_places.size(); }
Result<void> wait_for_events(int milliseconds, const std::uint64_t* mask, std::vector<pollfd>* others) {
  CCSAND_TRY(make_own());
  if (here.problem) return *std::exchange(here.problem, std::nullopt);
  for (std::uint32_t place : here.ready_places) here.entries[place].ready = 0;
  here.ready_places.clear();
  if (here.always > 0) {
    milliseconds = 0;
    for (std::uint32_t place = 0; place < here.entries.size(); ++place)
      if (here.entries[place].always) note(place, here.entries[place].events);
  }
  if (others != nullptr && !others->empty()) {  // they and the instance together; then what the instance has
    others->push_back({here.epoll.get(), POLLIN, 0});
    auto polled = sys::poll(others->data(), others->size(), milliseconds, mask);
    others->pop_back();
    CCSAND_TRY(std::move(polled));
    milliseconds = 0;
  }
  epoll_event events[64];  // of more, the rest is told in the next turn
  std::size_t count = CCSAND_TRY(sys::epoll_wait(here.epoll.get(), events, milliseconds, mask));
  for (const epoll_event& event : std::span(&events[0], count)) {
    auto place = static_cast<std::uint32_t>(event.data.u64), serial = static_cast<std::uint32_t>(event.data.u64 >> 32);
    if (find(place, serial) != nullptr) note(place, static_cast<short>(event.events));
  }
  return {};
}

}  // namespace ccsand
