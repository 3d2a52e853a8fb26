// Layouts of hosts that are not at hand, from the text of their /proc files.
#include "core/cgroup_layout.hpp"

#include <catch2/catch.hpp>

using namespace ccsand;

namespace {

CgroupLayout layout_of(std::string_view mountinfo, std::string_view self_cgroup) {
  auto layout = CgroupLayout::parse(mountinfo, self_cgroup);
  REQUIRE(layout);
  return *layout;
}

constexpr const char* kRoot = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n";

}  // namespace

TEST_CASE("a unified host", "[cgroup]") {
  auto layout =
      layout_of(std::string(kRoot) +
                    "25 22 0:23 / /sys rw,nosuid shared:2 - sysfs sysfs rw\n"
                    "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
                "0::/user.slice/user-0.slice/session-1.scope\n");
  CHECK(layout.mode() == CgroupMode::unified);
  REQUIRE(layout.unified() != nullptr);
  CHECK(layout.unified()->mount == "/sys/fs/cgroup");
  CHECK(layout.legacy("memory") == nullptr);
  CHECK(layout.version_of("memory") == CgroupVersion::v2);
  CHECK(layout.tracking() == layout.unified());
}

TEST_CASE("a hybrid host", "[cgroup]") {
  auto layout =
      layout_of(std::string(kRoot) +
                    "31 22 0:28 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n"
                    "32 31 0:29 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw\n"
                    "33 31 0:30 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd\n"
                    "34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:12 - cgroup cgroup rw,cpu,cpuacct\n"
                    "35 31 0:32 / /sys/fs/cgroup/memory rw shared:13 - cgroup cgroup rw,memory\n",
                "12:cpu,cpuacct:/user.slice\n3:memory:/user.slice/user-0.slice\n"
                "1:name=systemd:/user.slice/x.scope\n0::/user.slice/x.scope\n");
  CHECK(layout.mode() == CgroupMode::hybrid);
  REQUIRE(layout.unified() != nullptr);
  CHECK(layout.unified()->mount == "/sys/fs/cgroup/unified");
  REQUIRE(layout.legacy("memory") != nullptr);
  CHECK(layout.legacy("memory")->own == "/sys/fs/cgroup/memory/user.slice/user-0.slice");
  REQUIRE(layout.legacy("cpuacct") != nullptr);
  CHECK(layout.legacy("cpuacct") == layout.legacy("cpu"));
  CHECK(layout.legacy("cpu")->own == "/sys/fs/cgroup/cpu,cpuacct/user.slice");
  CHECK(layout.version_of("memory") == CgroupVersion::v1);
  CHECK(layout.version_of("pids") == CgroupVersion::v2);  // where enabling it tells
  CHECK(layout.tracking() == layout.unified());
}

TEST_CASE("a v1 hierarchy without controllers leaves a host unified", "[cgroup]") {
  auto layout = layout_of(
      "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
      "33 30 0:30 / /run/systemd rw - cgroup cgroup rw,name=elogind\n",
      "1:name=elogind:/\n0::/\n");
  CHECK(layout.mode() == CgroupMode::unified);
}

TEST_CASE("a v1 host is tracked by its freezer", "[cgroup]") {
  const std::string memory = "35 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory\n";
  auto layout = layout_of(memory + "36 31 0:33 / /cg/freezer rw - cgroup cgroup rw,freezer\n",
                          "3:memory:/a\n2:freezer:/\n");
  CHECK(layout.mode() == CgroupMode::legacy);
  CHECK(layout.unified() == nullptr);
  REQUIRE(layout.tracking() != nullptr);
  CHECK(layout.tracking()->own == "/cg/freezer");
  CHECK_FALSE(layout.version_of("pids").has_value());

  auto poor = layout_of(memory, "3:memory:/a\n");
  REQUIRE(poor.tracking() != nullptr);
  CHECK(poor.tracking()->own == "/cg/memory/a");
}

TEST_CASE("a host without cgroups", "[cgroup]") {
  auto layout = layout_of(kRoot, "");
  CHECK(layout.mode() == CgroupMode::none);
  CHECK(layout.tracking() == nullptr);
  CHECK_FALSE(layout.version_of("memory").has_value());
  CHECK(layout_of("", "").mode() == CgroupMode::none);
  CHECK(layout_of("nonsense\n\n - \n1 2 3\n", "also\n::\n").mode() == CgroupMode::none);
}

TEST_CASE("a container's mounts show a part of the hierarchy", "[cgroup]") {
  // Docker on v1 without a cgroup namespace: bind mounts of the container's own group.
  auto docker = layout_of(
      "700 690 0:45 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
      "701 700 0:32 /docker/0123abc /sys/fs/cgroup/memory ro master:13 - cgroup cgroup rw,memory\n"
      "702 700 0:33 /docker/0123abc /sys/fs/cgroup/pids rw master:14 - cgroup cgroup rw,pids\n",
      "3:memory:/docker/0123abc\n4:pids:/docker/0123abc/inner\n");
  REQUIRE(docker.legacy("memory") != nullptr);
  CHECK(docker.legacy("memory")->own == "/sys/fs/cgroup/memory");
  CHECK(docker.legacy("memory")->read_only);
  REQUIRE(docker.legacy("pids") != nullptr);
  CHECK(docker.legacy("pids")->own == "/sys/fs/cgroup/pids/inner");
  CHECK(docker.tracking() == docker.legacy("pids"));

  // In a cgroup namespace whose root lies elsewhere, the kernel shows "..".
  auto outside = layout_of("35 31 0:32 /../.. /cg/memory rw - cgroup cgroup rw,memory\n", "3:memory:/\n");
  CHECK(outside.legacy("memory")->own == "/cg/memory");
  // A name that merely begins like the mounted group is not below it.
  auto sibling = layout_of("35 31 0:32 /a /cg/memory rw - cgroup cgroup rw,memory\n", "3:memory:/ab\n");
  CHECK(sibling.legacy("memory")->own == "/cg/memory");
}

TEST_CASE("a read-only v2 mount is not used", "[cgroup]") {
  auto layout = layout_of("30 25 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n", "0::/\n");
  CHECK(layout.mode() == CgroupMode::unified);
  CHECK(layout.unified() == nullptr);
  CHECK(layout.tracking() == nullptr);
  CHECK_FALSE(layout.version_of("memory").has_value());
}

TEST_CASE("of several mounts, the one to use", "[cgroup]") {
  // A container's root holds a read-only bind mount of the same hierarchy.
  auto layout = layout_of(
      "30 25 0:26 / /var/lib/box/sys/fs/cgroup ro - cgroup2 cgroup2 rw\n"
      "31 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
      "0::/\n");
  REQUIRE(layout.unified() != nullptr);
  CHECK(layout.unified()->mount == "/sys/fs/cgroup");
  CHECK(layout.hierarchies().size() == 1);
}

TEST_CASE("mounts that others cover are not used", "[cgroup]") {
  // A tmpfs over the hierarchies, then v2 on it.
  auto covered = layout_of(
      "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
      "31 20 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
      "32 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "40 31 0:50 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
      "3:memory:/\n0::/\n");
  CHECK(covered.mode() == CgroupMode::unified);
  // A root that was mounted later than what was moved into it (switch_root) covers nothing.
  auto moved = layout_of(
      "1 1 0:2 / / rw - rootfs rootfs rw\n"
      "30 60 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
      "60 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
      "0::/\n");
  CHECK(moved.mode() == CgroupMode::unified);
}

TEST_CASE("paths with odd characters", "[cgroup]") {
  auto layout = layout_of("30 25 0:26 / /a\\040b\\134c\\0 rw - cgroup2 cgroup2 rw\n", "0::/\n");
  REQUIRE(layout.unified() != nullptr);
  CHECK(layout.unified()->mount == "/a b\\c\\0");
}
