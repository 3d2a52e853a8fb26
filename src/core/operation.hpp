// Every operation, and a value that holds any of them. One operation has three
// faces: a primitive of ccsand.sys, a step of a plan, a line of text.
#pragma once

#include <string>
#include <variant>

#include "core/operations/files.hpp"
#include "core/operations/identity.hpp"
#include "core/operations/landlock.hpp"
#include "core/operations/lifecycle.hpp"
#include "core/operations/mounts.hpp"
#include "core/operations/namespaces.hpp"
#include "core/operations/network.hpp"
#include "core/operations/process.hpp"

namespace ccsand {

using Operation =
    std::variant<OpenTree, MountFilesystem, AttachMount, BindMount, SetMountAttributes, LockMounts, MoveMount, MaskPath,
                 OpenDeviceTree, BindDevices, Unmount, PivotRoot, MakeDirectory, MakeFile, MakeMountPoint, MakeNode, MakeSymlink, UnlinkSymlink,
                 ChangeOwner, ChangeMode, WriteFile, ChangeDirectory, ChangeRoot, Clone, Unshare, JoinNamespace,
                 JoinForChild, EnterTimeNamespace, WriteIdMap, OpenNamespace, OpenNamespacePath, OpenProcessRoot, SetHostname, SetDomainname,
                 BringUpLoopback, PrepareNetwork, ConnectNetwork, ConfigureNetwork, OpenNameFiles, ChangeNetwork, LookUpUser, SetIdentity, SetCapabilities, SetSecurebits, SetNoNewPrivs, NewSessionKeyring,
                 LoadFilter, TakeListener, MakeRuleset, AllowPath, RestrictSelf,
                 SetResourceLimit, SetNice, SetScheduler, SetAffinity, SetIoPriority, SetOomScoreAdj, SetPersonality,
                 SetUmask, SetParentDeathSignal, SetDumpable, SetChildSubreaper, SetProcessName, StartSession,
                 ResetSignals, Redirect, CloseDescriptors, OpenTerminal, ReceiveTerminal, Exec, CreateCgroup,
                 AttachCgroup, AdoptIntoCgroup, OpenInit, CallHook>;

inline Result<void> apply(const Operation& operation, Context& context) {
  return std::visit([&context](const auto& op) { return apply(op, context); }, operation);
}
inline std::string describe(const Operation& operation) {
  return std::visit([](const auto& op) { return describe(op); }, operation);
}

}  // namespace ccsand
