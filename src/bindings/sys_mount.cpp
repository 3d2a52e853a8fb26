// ccsand.sys: mounts.
#include <fcntl.h>

#include <cerrno>

#include "bindings/sys.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/mount.hpp"

namespace ccsand {

namespace {
using Pairs = std::vector<std::pair<std::string, std::string>>;

Result<void> read_data(Table& table, Pairs& out) {
  CCSAND_TRY(table.pairs("data", out));
  for (auto& [key, value] : out)
    if (value == "true") value.clear();  // a flag
  return {};
}

// mount { type =, source =, target =, make_target =, flags = {}, data = {}, root =, detached = }
Result<int> mount_body(lua_State* L) {
  Table table = CCSAND_TRY(Table::argument(L, 1, "mount"));
  OneShot shot;
  MountFilesystem op;
  std::string target;
  bool detached = false;
  bool typed = CCSAND_TRY(table.text("type", op.type));
  CCSAND_TRY(read_data(table, op.options));
  CCSAND_TRY(table.text("source", op.source));
  bool targeted = CCSAND_TRY(table.text("target", target));
  CCSAND_TRY(table.bits("flags", mount_attribute_names(), op.attributes));
  CCSAND_TRY(table.boolean("make_target", op.make_target));
  CCSAND_TRY(table.boolean("detached", detached));
  op.target = CCSAND_TRY(place_in(shot, target, &table));
  CCSAND_TRY(table.finish());
  CCSAND_TRY(need(table, "type", typed));
  if (detached && targeted) return table.wrong("target", "is not for a detached mount: move_mount it there");
  if (!detached) {
    CCSAND_TRY(need(table, "target", targeted && !target.empty()));
    return shot.run(op);
  }
  Descriptor& tree = push_descriptor(L);
  op.target = {};
  op.out = shot.out();
  return shot.run_into(op, op.out, tree);
}

// mount_bind { source =, target =, recursive =, flags = {}, root = }
Result<int> mount_bind_body(lua_State* L) {
  Table table = CCSAND_TRY(Table::argument(L, 1, "mount_bind"));
  OneShot shot;
  BindMount op;
  std::string target;
  bool sourced = CCSAND_TRY(table.text("source", op.source.path));
  bool targeted = CCSAND_TRY(table.text("target", target));
  CCSAND_TRY(table.boolean("recursive", op.recursive));
  CCSAND_TRY(table.bits("flags", mount_attribute_names(), op.attributes));
  op.target = CCSAND_TRY(place_in(shot, target, &table));
  CCSAND_TRY(table.finish());
  CCSAND_TRY(need(table, "source", sourced));
  CCSAND_TRY(need(table, "target", targeted));
  return shot.run(op);
}

// mount_remount { target =, data = {} }: reconfigures the filesystem itself; the flags of
// one mount of it are mount_setattr's.
Result<int> mount_remount_body(lua_State* L) {
  Table table = CCSAND_TRY(Table::argument(L, 1, "mount_remount"));
  std::string target;
  Pairs data;
  bool targeted = CCSAND_TRY(table.text("target", target));
  CCSAND_TRY(read_data(table, data));
  CCSAND_TRY(table.finish());
  CCSAND_TRY(need(table, "target", targeted));
  Fd fs = CCSAND_TRY(sys::fspick(AT_FDCWD, target.c_str(), FSPICK_NO_AUTOMOUNT));
  for (const auto& [key, value] : data) {
    if (value.empty()) CCSAND_TRY(sys::fsconfig_set_flag(fs.get(), key.c_str()));
    else CCSAND_TRY(sys::fsconfig_set_string(fs.get(), key.c_str(), value.c_str()));
  }
  CCSAND_TRY(sys::fsconfig_reconfigure(fs.get(), target));
  return 0;
}

// mount_setattr { target = or tree =, set = {}, clear = {}, propagation =, recursive =, user_namespace = }
Result<int> mount_setattr_body(lua_State* L) {
  Table table = CCSAND_TRY(Table::argument(L, 1, "mount_setattr"));
  OneShot shot;
  SetMountAttributes op;
  std::string target;
  bool targeted = CCSAND_TRY(table.text("target", target));
  op.tree = shot.lend(CCSAND_TRY(descriptor_key(table, "tree")));
  CCSAND_TRY(table.bits("set", mount_attribute_names(), op.set));
  CCSAND_TRY(table.bits("clear", mount_attribute_names(), op.clear));
  CCSAND_TRY(table.word("propagation", propagation_names(), op.propagation));
  CCSAND_TRY(table.boolean("recursive", op.recursive));
  op.user_namespace = shot.lend(CCSAND_TRY(descriptor_key(table, "user_namespace")));
  op.target = CCSAND_TRY(place_in(shot, target, &table));
  CCSAND_TRY(table.finish());
  if (targeted == (op.tree != kNoSlot)) return table.wrong("target", targeted ? "and 'tree' exclude each other" : "or 'tree' is missing");
  return shot.run(op);
}

// mount_move(source, target)
Result<int> mount_move_body(lua_State* L) {
  OneShot shot;
  MoveMount op;
  op.source.path = CCSAND_TRY(text_argument(L, 1, "mount_move"));
  op.target.path = CCSAND_TRY(text_argument(L, 2, "mount_move"));
  return shot.run(op);
}

// move_mount { tree =, target =, make_target =, root = }
Result<int> move_mount_body(lua_State* L) {
  Table table = CCSAND_TRY(Table::argument(L, 1, "move_mount"));
  OneShot shot;
  AttachMount op;
  std::string target;
  int tree = CCSAND_TRY(descriptor_key(table, "tree"));
  bool targeted = CCSAND_TRY(table.text("target", target));
  CCSAND_TRY(table.boolean("make_target", op.make_target));
  op.tree = shot.lend(tree);
  op.target = CCSAND_TRY(place_in(shot, target, &table));
  op.name = "descriptor " + std::to_string(tree);
  CCSAND_TRY(table.finish());
  CCSAND_TRY(need(table, "tree", tree >= 0));
  CCSAND_TRY(need(table, "target", targeted));
  return shot.run(op);
}

// mount_set_propagation(target, word, { recursive = })
Result<int> mount_set_propagation_body(lua_State* L) {
  OneShot shot;
  SetMountAttributes op;
  op.target.path = CCSAND_TRY(text_argument(L, 1, "mount_set_propagation"));
  op.propagation = CCSAND_TRY(word_value(L, 2, propagation_names(), "propagation"));
  if (auto options = CCSAND_TRY(options_argument(L, 3, "mount_set_propagation"))) {
    CCSAND_TRY(options->boolean("recursive", op.recursive));
    CCSAND_TRY(options->finish());
  }
  return shot.run(op);
}

// open_tree { path =, recursive =, root = }
Result<int> open_tree_body(lua_State* L) {
  Table table = CCSAND_TRY(Table::argument(L, 1, "open_tree"));
  OneShot shot;
  OpenTree op;
  std::string path;
  bool there = CCSAND_TRY(table.text("path", path));
  CCSAND_TRY(table.boolean("recursive", op.recursive));
  op.source = CCSAND_TRY(place_in(shot, path, &table));
  CCSAND_TRY(table.finish());
  CCSAND_TRY(need(table, "path", there));
  Descriptor& tree = push_descriptor(L);
  op.out = shot.out();
  return shot.run_into(op, op.out, tree);
}

// umount(path, flags)
Result<int> umount_body(lua_State* L) {
  OneShot shot;
  Unmount op;
  op.path = CCSAND_TRY(text_argument(L, 1, "umount"));
  if (!lua_isnoneornil(L, 2)) op.flags = CCSAND_TRY(bits_value(L, 2, unmount_names(), "umount.flags", false));
  return shot.run(op);
}
Result<int> pivot_root_body(lua_State* L) {
  OneShot shot;
  PivotRoot op;
  op.new_root = CCSAND_TRY(text_argument(L, 1, "pivot_root"));
  op.put_old = CCSAND_TRY(text_argument(L, 2, "pivot_root"));
  return shot.run(op);
}

constexpr Function kFunctions[] = {{"mount", binding<mount_body>},
                                   {"mount_bind", binding<mount_bind_body>},
                                   {"mount_remount", binding<mount_remount_body>},
                                   {"mount_setattr", binding<mount_setattr_body>},
                                   {"mount_move", binding<mount_move_body>},
                                   {"move_mount", binding<move_mount_body>},
                                   {"mount_set_propagation", binding<mount_set_propagation_body>},
                                   {"open_tree", binding<open_tree_body>},
                                   {"umount", binding<umount_body>},
                                   {"pivot_root", binding<pivot_root_body>}};
}  // namespace

void add_mount_functions(lua_State* L) { register_functions(L, kFunctions); }

}  // namespace ccsand
