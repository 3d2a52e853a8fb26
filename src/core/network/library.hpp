// libmnl and libnftables, loaded when a recipe first needs them: the start of a container
// without a network does not pay for the dynamic linker's work on them.
#pragma once

#include <libmnl/libmnl.h>

#include <string>
#include <string_view>

#include "ccsand/result.hpp"

namespace ccsand {

// The functions of libmnl that write and read messages. None of them allocates.
struct Mnl {
  decltype(&mnl_nlmsg_put_header) nlmsg_put_header = nullptr;
  decltype(&mnl_nlmsg_put_extra_header) nlmsg_put_extra_header = nullptr;
  decltype(&mnl_nlmsg_ok) nlmsg_ok = nullptr;
  decltype(&mnl_nlmsg_next) nlmsg_next = nullptr;
  decltype(&mnl_attr_put) attr_put = nullptr;
  decltype(&mnl_attr_put_u8) attr_put_u8 = nullptr;
  decltype(&mnl_attr_put_u32) attr_put_u32 = nullptr;
  decltype(&mnl_attr_put_u64) attr_put_u64 = nullptr;
  decltype(&mnl_attr_put_strz) attr_put_strz = nullptr;
  decltype(&mnl_attr_nest_start) attr_nest_start = nullptr;
  decltype(&mnl_attr_nest_end) attr_nest_end = nullptr;
  decltype(&mnl_attr_parse) attr_parse = nullptr;
  decltype(&mnl_attr_parse_nested) attr_parse_nested = nullptr;
  decltype(&mnl_attr_get_type) attr_get_type = nullptr;
  decltype(&mnl_attr_get_payload) attr_get_payload = nullptr;
  decltype(&mnl_attr_get_payload_len) attr_get_payload_len = nullptr;
};

// The same table each time; an error that names the package where it is not installed.
Result<const Mnl*> load_mnl();

// Runs rules as nft(8) has them, in this process's network namespace, all or nothing; what they
// print, as text or as JSON (libnftables-json(5)). The error has nft's own words.
Result<std::string> run_nft(std::string_view rules, bool as_json = false);

}  // namespace ccsand
