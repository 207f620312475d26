#include "worker/pool/process/cgroup.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <optional>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <sys/stat.h>
#include <sys/xattr.h>

#include "worker/pool/process/file_descriptor.h"

namespace treadle::worker {
namespace {

// systemd writes it on the cgroups of units with Delegate=.
constexpr char kDelegateAttribute[] = "user.delegate";

bool WriteFile(const std::string& path, const std::string& text) {
  // The system's files are there; a folder that stands for it in a test gets them.
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  return file.open() &&
         ::write(file.number(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Of words between blanks.
bool FileHasWord(const std::string& path, std::string_view wanted) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    if (word == wanted) return true;
  }
  return false;
}

// This process's place in the tree of cgroup v2: "/", "/system.slice/loom.service".
std::optional<std::string> OwnPath(const std::string& self) {
  std::ifstream file(self);
  for (std::string line; std::getline(file, line);) {
    if (absl::StartsWith(line, "0::/")) return line.substr(3);
  }
  return std::nullopt;
}

// Where this process itself goes.
std::string LeafName() { return absl::StrCat("treadle-worker-", ::getpid()); }

bool IsDelegated(const std::string& folder, const std::string& path) {
  // A container's own root, as it sees it. The machine's root has no such file.
  if (path == "/") return ::access(absl::StrCat(folder, "/cgroup.type").c_str(), F_OK) == 0;
  char value = 0;
  return ::getxattr(folder.c_str(), kDelegateAttribute, &value, 1) == 1 && value == '1';
}

// The system takes one process a write.
bool MoveTo(const std::string& folder, pid_t companion) {
  const std::string members = absl::StrCat(folder, "/cgroup.procs");
  return (companion == 0 || WriteFile(members, absl::StrCat(companion))) &&
         WriteFile(members, absl::StrCat(::getpid()));
}

absl::Status MakeRoom(const std::string& folder, pid_t companion) {
  const std::string control = absl::StrCat(folder, "/cgroup.subtree_control");
  const std::string leaf = absl::StrCat(folder, "/", LeafName());
  if (FileHasWord(control, "memory")) return absl::OkStatus();
  if ((::mkdir(leaf.c_str(), 0755) == 0 || errno == EEXIST) && MoveTo(leaf, companion) &&
      WriteFile(control, "+memory")) {
    return absl::OkStatus();
  }
  const int error = errno;
  MoveTo(folder, companion);
  ::rmdir(leaf.c_str());
  return absl::FailedPreconditionError(
      absl::StrCat("cgroup ", folder, " cannot have others below it: ", std::strerror(error),
                   error == EBUSY ? " (other processes are in it)" : ""));
}

}  // namespace

absl::StatusOr<std::shared_ptr<CgroupTree>> CgroupTree::Find(const CgroupPlaces& places,
                                                             std::string_view name) {
  const std::optional<std::string> path = OwnPath(places.self);
  if (!path || ::access(absl::StrCat(places.root, "/cgroup.controllers").c_str(), F_OK) != 0) {
    return absl::FailedPreconditionError("this system has no cgroup v2");
  }
  std::string folder = absl::StrCat(places.root, *path == "/" ? "" : *path);
  if (absl::EndsWith(folder, absl::StrCat("/", LeafName()))) {
    folder.resize(folder.rfind('/'));  // where an earlier Find has found it
  } else if (!IsDelegated(folder, *path)) {
    return absl::FailedPreconditionError(
        absl::StrCat("cgroup ", folder, " was not delegated (systemd: Delegate=memory)"));
  }
  if (!FileHasWord(absl::StrCat(folder, "/cgroup.controllers"), "memory")) {
    return absl::FailedPreconditionError(
        absl::StrCat("cgroup ", folder, " has no memory controller"));
  }
  if (absl::Status status = MakeRoom(folder, places.companion); !status.ok()) return status;
  return std::shared_ptr<CgroupTree>(new CgroupTree(std::move(folder), name));
}

CgroupTree::~CgroupTree() {
  for (const std::string& folder : leftovers_) ::rmdir(folder.c_str());
}

absl::StatusOr<std::unique_ptr<Cgroup>> CgroupTree::Make(int64_t memory_bytes_max) {
  std::erase_if(leftovers_, [](const auto& folder) { return ::rmdir(folder.c_str()) == 0; });
  const std::string folder =
      absl::StrCat(folder_, "/treadle-child-", ::getpid(), "-", name_, "-", ++made_);
  // One that is there was left by a process that had our number.
  const bool there = ::mkdir(folder.c_str(), 0755) == 0 || errno == EEXIST;
  if (!there || !WriteFile(absl::StrCat(folder, "/memory.max"), absl::StrCat(memory_bytes_max))) {
    const int error = errno;
    ::rmdir(folder.c_str());
    return absl::InternalError(
        absl::StrCat("cgroup ", folder, " cannot be made: ", std::strerror(error)));
  }
  // Where the system has these: a bound of memory that means it, and for all of the group.
  WriteFile(absl::StrCat(folder, "/memory.swap.max"), "0");
  WriteFile(absl::StrCat(folder, "/memory.oom.group"), "1");
  return std::make_unique<Cgroup>(shared_from_this(), folder, memory_bytes_max);
}

void CgroupTree::Remove(const std::string& folder) {
  WriteFile(absl::StrCat(folder, "/cgroup.kill"), "1");
  // What was killed takes a moment to be gone.
  if (::rmdir(folder.c_str()) != 0) leftovers_.push_back(folder);
}

bool Cgroup::Enter(pid_t process) {
  return WriteFile(absl::StrCat(folder_, "/cgroup.procs"), absl::StrCat(process));
}

bool Cgroup::out_of_memory() const {
  std::ifstream file(absl::StrCat(folder_, "/memory.events"));
  std::string name;
  for (int64_t count = 0; file >> name >> count;) {
    if (name == "oom_kill" || name == "oom_group_kill") {
      if (count > 0) return true;
    }
  }
  return false;
}

}  // namespace treadle::worker
