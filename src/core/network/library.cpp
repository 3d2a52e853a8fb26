// Libraries that are loaded when they are needed.
#include "core/network/library.hpp"

#include <dlfcn.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>

#include <cerrno>
#include <memory>

#include "sys/netlink.hpp"

namespace ccsand {

namespace {
// Opened once in a process, never closed.
class Library {
 public:
  Library(const char* file, const char* hint) : file_(file), hint_(hint) {}
  Result<void> open() {
#ifdef CCSAND_STATIC_LIBC
    return make_error(ENOTSUP, "load", file_, "a program with a static libc loads no libraries", "networks need the dynamic build of ccsand");
#else
    if (handle_ == nullptr) handle_ = dlopen(file_, RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) return {};
    const char* reason = dlerror();
    return make_error(ENOENT, "load", file_, reason != nullptr ? reason : "it cannot be loaded", hint_);
#endif
  }
  template <typename F>
  void find(F& function, const char* name) {
    void* symbol = dlsym(handle_, name);
    missing_ = missing_ || symbol == nullptr;
    function = reinterpret_cast<F>(symbol);
  }
  [[nodiscard]] bool missing() const { return missing_; }

 private:
  const char* file_;
  const char* hint_;
  void* handle_ = nullptr;
  bool missing_ = false;
};

struct Nft {
  decltype(&nft_ctx_new) ctx_new = nullptr;
  decltype(&nft_ctx_free) ctx_free = nullptr;
  decltype(&nft_ctx_buffer_output) buffer_output = nullptr;
  decltype(&nft_ctx_buffer_error) buffer_error = nullptr;
  decltype(&nft_ctx_get_output_buffer) get_output = nullptr;
  decltype(&nft_ctx_get_error_buffer) get_error = nullptr;
  decltype(&nft_ctx_output_set_flags) set_flags = nullptr;
  decltype(&nft_run_cmd_from_buffer) run = nullptr;
};

Result<const Nft*> load_nft() {
  static Library library("libnftables.so.1", "install Debian's package libnftables1");
  static Nft nft;
  if (nft.run != nullptr) return &nft;
  CCSAND_TRY(library.open());
  library.find(nft.ctx_new, "nft_ctx_new");
  library.find(nft.ctx_free, "nft_ctx_free");
  library.find(nft.buffer_output, "nft_ctx_buffer_output");
  library.find(nft.buffer_error, "nft_ctx_buffer_error");
  library.find(nft.get_output, "nft_ctx_get_output_buffer");
  library.find(nft.get_error, "nft_ctx_get_error_buffer");
  library.find(nft.set_flags, "nft_ctx_output_set_flags");
  library.find(nft.run, "nft_run_cmd_from_buffer");
  if (library.missing()) return make_error(ENOSYS, "load", "libnftables.so.1", "it lacks functions of libnftables 1.0");
  return &nft;
}
}  // namespace

Result<const Mnl*> load_mnl() {
  static Library library("libmnl.so.0", "install Debian's package libmnl0");
  static Mnl mnl;
  if (mnl.attr_get_payload_len != nullptr) return &mnl;
  CCSAND_TRY(library.open());
  library.find(mnl.nlmsg_put_header, "mnl_nlmsg_put_header");
  library.find(mnl.nlmsg_put_extra_header, "mnl_nlmsg_put_extra_header");
  library.find(mnl.nlmsg_ok, "mnl_nlmsg_ok");
  library.find(mnl.nlmsg_next, "mnl_nlmsg_next");
  library.find(mnl.attr_put, "mnl_attr_put");
  library.find(mnl.attr_put_u8, "mnl_attr_put_u8");
  library.find(mnl.attr_put_u32, "mnl_attr_put_u32");
  library.find(mnl.attr_put_u64, "mnl_attr_put_u64");
  library.find(mnl.attr_put_strz, "mnl_attr_put_strz");
  library.find(mnl.attr_nest_start, "mnl_attr_nest_start");
  library.find(mnl.attr_nest_end, "mnl_attr_nest_end");
  library.find(mnl.attr_parse, "mnl_attr_parse");
  library.find(mnl.attr_parse_nested, "mnl_attr_parse_nested");
  library.find(mnl.attr_get_type, "mnl_attr_get_type");
  library.find(mnl.attr_get_payload, "mnl_attr_get_payload");
  library.find(mnl.attr_get_payload_len, "mnl_attr_get_payload_len");
  if (library.missing()) return make_error(ENOSYS, "load", "libmnl.so.0", "it lacks functions of libmnl 1.0");
  return &mnl;
}

Result<std::string> run_nft(std::string_view rules, bool as_json) {
  const Nft& nft = *CCSAND_TRY(load_nft());
  static bool knows_netfilter = false;  // libnftables ends the process where it gets no socket
  if (!knows_netfilter) {
    CCSAND_TRY(sys::netlink_socket(NETLINK_NETFILTER));
    knows_netfilter = true;
  }
  // The context's socket belongs to the namespace that it is made in: one for each run.
  std::unique_ptr<nft_ctx, decltype(nft.ctx_free)> context(nft.ctx_new(NFT_CTX_DEFAULT), nft.ctx_free);
  if (!context) return make_error(ENOMEM, "nft", "", "cannot make a context");
  if (nft.buffer_output(context.get()) != 0 || nft.buffer_error(context.get()) != 0) return make_error(ENOMEM, "nft", "", "out of memory");
  if (as_json) nft.set_flags(context.get(), NFT_CTX_OUTPUT_JSON);
  std::string text(rules);
  if (nft.run(context.get(), text.c_str()) == 0) return std::string(nft.get_output(context.get()));
  std::string problem = nft.get_error(context.get());
  while (!problem.empty() && problem.back() == '\n') problem.pop_back();
  return make_error(EINVAL, "nft", "", problem.empty() ? std::string("the rules were refused") : problem,
                    "nft(8) describes rules; the kernel needs nf_tables (ccsand doctor)");
}

}  // namespace ccsand
