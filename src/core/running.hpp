// A container that runs: its supervision from exec to the result.
#pragma once

#include <poll.h>

#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/seccomp/supervisor.hpp"
#include "core/cgroup.hpp"
#include "core/container_spec.hpp"
#include "core/event_poll.hpp"
#include "core/executor.hpp"
#include "core/terminal_relay.hpp"

namespace ccsand {

class BackgroundLaunch;
class ContainerName;
class ContainerPool;
class ExecService;
struct RunResult;

struct RunOptions {
  std::int64_t timeout_ns = -1;             // SIGKILL after it; -1 is no limit
  bool capture_stdout = false, capture_stderr = false;
  std::uint64_t output_limit = 64U << 20;   // bytes kept of each; what is beyond is read and dropped
  std::optional<std::string> stdin_text;    // fed through a pipe; else stdin is the caller's
  bool stdin_null = false;
  bool keep_stdin = false;                  // stdin is a pipe that stays open: write(), close_input()
  bool stream = false;                      // what is captured can be had as it comes: take_output()
  bool keep_output = true;                  // what is captured is in the result
  bool own_terminal = false;                // of a container with a terminal: its pty is read and written here
  std::int64_t cpu_time_ns = -1;            // of all of its processes; SIGKILL after it
  bool limit_output = false;                // SIGKILL beyond output_limit
  std::string stdin_file, stdout_file;      // opened by the host; the second is emptied or made (0600)
  bool foreground = false;                  // signals that ccsand gets are passed on to it
  bool trace = false;
  bool background = false;                  // the start, too, is waited for by wait()
  bool reuse_network = false;               // of a pool: where nothing can be done in it, it is the next one's
  std::shared_ptr<CallSupervisor> supervisor;  // of a filter that notifies
  std::string name;                         // by which other processes run commands in it; "" for none
  bool lend_terminal = false;               // its pty is somebody else's to read: take_lent_terminal()
  std::function<void(const RunResult&)> on_end;  // when it has ended; must not destroy it
};

struct RunResult {
  int status = 0;                  // 0 to 255, or 128 + signal
  int signal = 0;
  const char* reason = "exited";   // exited, signalled, timeout, cpu_time, output, oom, denied
  std::string out, err;
  bool out_cut = false, err_cut = false;  // beyond output_limit
  std::int64_t wall_ns = 0, user_us = 0, system_us = 0;
  std::uint64_t max_rss = 0;       // bytes, of the command and the children it waited for
  std::optional<CgroupStats> cgroup;
  std::vector<RuleCount> egress;   // what its network's rules have counted
};

class Running {
 public:
  // Starts the container; returns when its command has been exec'd. In the background it returns before, has no
  // pid as yet, and what goes wrong with the start is the error of wait().
  static Result<std::unique_ptr<Running>> start(const ContainerSpec& spec, const RunOptions& options);
  // Another command in a running container: its namespaces and its cgroup, the credentials and attributes of `spec`. In the
  // background but for one in the foreground: processes of the container can stop what joins them.
  static Result<std::unique_ptr<Running>> exec(Running& target, const ContainerSpec& spec, const RunOptions& options);
  // The same for another process, whose descriptors are the redirects of `spec`, which is this container's own with
  // changes; calls are decided as the container's are.
  static Result<std::unique_ptr<Running>> exec_for_client(Running& target, const ContainerSpec& spec, RunOptions options);
  [[nodiscard]] Fd take_lent_terminal() { return std::move(lent_terminal_); }
  // From now on other processes find it by this name. `spec` is what it was started from.
  Result<void> serve(const std::string& name, const ContainerSpec& spec);
  [[nodiscard]] std::string name() const;  // "" where it has none, or has ended
  // Of a container of a pool, which waits for its command: until it is assembled, and has it.
  Result<bool> get_ready();  // false where it was killed before
  [[nodiscard]] bool is_assembled() const;  // get_ready() would not wait
  [[nodiscard]] bool is_waiting() const;  // and has not been killed
  RunOptions& options() { return options_; }
  Result<void> release(const std::vector<std::string>& argv, const std::string& input);
  // Lets go of what ended containers of that kind have left to be taken down, which takes its time.
  static void bury();
  ~Running();  // kills it and removes what it left
  // The same, wherever it is asked for: within a function that decides the container's own calls it is closed at
  // once, and let go of when that is left.
  static void discard(std::unique_ptr<Running> running);
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  // Waits until it has ended, `deadline_ns` (CLOCK_MONOTONIC, -1 for none) has passed,
  // or a signal for ccsand itself came in: true where it has ended. Meanwhile output
  // of every running container is read, and time-outs are kept.
  Result<bool> wait(std::int64_t deadline_ns);
  // The same for whoever waits for several things: returns when something has happened. `news` gets
  // the ids of containers that ended or have output, `extra` is polled besides.
  static Result<void> step(std::int64_t deadline_ns, std::vector<pollfd>& extra, std::vector<std::uint64_t>& news);
  // Whether news is kept between steps: who waits otherwise meanwhile reads output, too.
  static void keep_news(bool keep);
  [[nodiscard]] std::uint64_t id() const { return id_; }  // never used again
  [[nodiscard]] bool ended() const { return ended_; }  // or could not be started
  [[nodiscard]] bool is_starting() const { return pending_ != nullptr; }  // in the background; wait() has the error
  [[nodiscard]] const RunResult& result() const { return result_; }

  // Bytes for its stdin, which are sent when it reads; an error where that is closed.
  Result<void> write(std::string_view text);
  void close_input();  // when all is sent; a terminal gets its end-of-file character
  // What came since the last time; `open` is false when no more will.
  std::string take_output(int which, bool& open);
  // What is kept for the result and came after the first `from` bytes; nothing is taken.
  std::string_view kept_output(int which, std::size_t from, bool& open) const;
  // Waits until there is output to take, it has ended or the deadline has passed.
  Result<bool> await_news(std::int64_t deadline_ns);
  [[nodiscard]] bool has_user_namespace() const { return own_user_namespace_; }

  Result<void> kill(int signal);
  void close();  // SIGKILL, and its end, which is waited for here
  Result<void> freeze();
  Result<void> thaw();
  [[nodiscard]] Result<CgroupStats> stats() const;
  [[nodiscard]] pid_t pid() const { return launched_.pid; }
  [[nodiscard]] int pidfd() const { return launched_.pidfd.get(); }
  [[nodiscard]] const Cgroup* cgroup() const { return launched_.context.cgroup.get(); }
  [[nodiscard]] const std::vector<std::int64_t>& trace_ns() const { return launched_.trace_ns; }
  [[nodiscard]] const NetworkAttachment* network() const { return launched_.context.network.get(); }
  [[nodiscard]] const Plan& plan() const { return *plan_; }  // empty once it has ended, without a trace

 private:
  struct Output {
    WatchedFd fd;
    std::string* text = nullptr;
    bool* cut = nullptr;
    std::string fresh;  // not taken yet
    std::uint64_t total = 0;
  };
  Running();
  static std::uint64_t next_id();
  Result<void> open_streams(ContainerSpec& spec);
  void redirect_streams(ContainerSpec& spec) const;
  Result<void> begin();
  static bool can_be_late(const ContainerSpec& spec);
  Result<void> begin_in_background();
  Result<void> await_start();
  void attend_start();
  void finish_start();
  [[nodiscard]] std::int64_t start_deadline_ns() const;
  Result<void> lose_start(const Error& error);
  void abandon_start();
  void describe(ContainerSpec& spec);
  Result<void> adopt(Launched launched);
  Result<void> take_namespaces();
  void lay_aside_namespaces();
  void stop_waiting();
  void end_guests();
  Result<void> serve_as(ContainerName name, const ContainerSpec& spec);
  [[nodiscard]] bool is_at_work() const;
  static Result<void> pump(std::int64_t deadline_ns, Running* target, std::vector<pollfd>* extra = nullptr);
  void enter_interests();
  [[nodiscard]] std::int64_t due_ns() const;  // when it must be looked at, whatever is ready; -1 for never
  void attend();
  void attend_calls();
  void tell();
  void read_output(Output& output);
  void write_input();
  Result<void> take_terminal(Fd master);
  [[nodiscard]] std::int64_t next_limit_ns() const;
  void keep_limits();
  [[nodiscard]] bool beyond_cpu_time(const CgroupStats& stats) const;
  void pass_on(int signal);
  void take_notification();
  void collect();
  void finish();
  void enter_loop();
  void leave_loop();
  static void note_change();  // of what interests and deadlines depend on, outside of a turn
  static bool any_supervised();
  bool attend_call_in_a_row(std::int64_t next_ns);

  friend class ContainerPool;
  std::shared_ptr<const Plan> plan_ = std::make_shared<const Plan>();
  RunOptions options_;
  Launched launched_;
  std::unique_ptr<BackgroundLaunch> pending_;  // until its command has been executed
  std::unique_ptr<BackgroundLaunch> unproven_;  // released: it may still fail to execute its command
  bool waits_ = false;           // for its command
  Interest started_;             // in that it has been executed
  std::int64_t next_start_look_ns_ = -1;  // at a start that needs the host, which nothing tells
  std::optional<Error> start_error_;
  Fd mounts_;                    // its mount namespace, to outlive it
  Fd network_;                   // a namespace, which the next container of its pool may have
  RunResult result_;
  std::vector<std::pair<Fd, int>> child_ends_;  // closed when the child has them, as these numbers
  Output outputs_[2];
  WatchedFd input_;
  Interest process_;             // in its pidfd
  int ruleset_ = -1, cgroup_directory_ = -1;  // the context's, or of the container whose guest this is
  WatchedFd listener_;           // of the filter; the supervisor answers on it
  std::string input_text_;       // empty when all of it is sent
  std::size_t input_sent_ = 0;   // bytes of it
  bool input_ends_ = true;       // after that
  std::unique_ptr<TerminalRelay> relay_;
  std::unique_ptr<ExecService> service_;  // where it has a name
  Fd lent_terminal_;
  std::int64_t started_ns_ = 0;
  std::uint64_t id_ = next_id();
  bool told_ = false;            // its id is among the news
  bool ended_ = false;
  bool timed_out_ = false, cpu_exceeded_ = false, output_exceeded_ = false;
  std::int64_t next_cpu_look_ns_ = 0;
  bool own_user_namespace_ = true;
  bool own_pid_namespace_ = true;
  bool filtered_ = false;        // a filter decides its system calls
  bool deciding_ = false;        // its supervisor is at work
  bool is_guest_ = false;        // a further command in another's container,
  std::uint64_t host_id_ = 0;    // which has this id
  bool frozen_ = false;          // by freeze()
  int asked_signal_ = 0;         // a signal that pid 1 would have ignored: it was killed for it
};

}  // namespace ccsand
