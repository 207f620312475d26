#include "worker/pool/process/dying_groups.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "worker/pool/process/file_descriptor.h"

namespace treadle::worker {
namespace {

constexpr std::chrono::milliseconds kPauseMax{1'000};
// From so long a pause on it is worth reading what the system shows of all processes.
constexpr std::chrono::milliseconds kLookClosely{16};

// The groups of all processes that are no zombies. None: they cannot be read now.
std::optional<std::vector<pid_t>> LivingGroups() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), ::closedir);
  if (folder == nullptr) return std::nullopt;
  std::vector<pid_t> groups;
  while (const dirent* const entry = ::readdir(folder.get())) {
    int number;
    if (!absl::SimpleAtoi(entry->d_name, &number)) continue;
    const FileDescriptor file(
        ::open(absl::StrCat("/proc/", number, "/stat").c_str(), O_RDONLY | O_CLOEXEC));
    char text[512] = "";
    if (!file.open() || ::read(file.number(), text, sizeof(text) - 1) <= 0) {
      if (errno == ENOENT || errno == ESRCH) continue;  // it has just ended
      return std::nullopt;
    }
    // After the name, which may hold anything: ") S 1 4711 ...", the state, parent and group.
    const char* const name_end = std::strrchr(text, ')');
    char state = 0;
    int parent = 0, group = 0;
    if (name_end != nullptr &&
        std::sscanf(name_end + 1, " %c %d %d", &state, &parent, &group) == 3 && state != 'Z' &&
        state != 'X') {
      groups.push_back(group);
    }
  }
  return groups;
}

}  // namespace

void DyingGroups::Kill(pid_t leader) {
  ::kill(-leader, SIGKILL);
  leaders_.push_back(leader);
}

bool DyingGroups::AreDead() {
  std::erase_if(leaders_, [](pid_t leader) { return ::kill(-leader, 0) != 0 && errno == ESRCH; });
  if (!leaders_.empty() && pause_ >= kLookClosely) {
    if (const std::optional<std::vector<pid_t>> living = LivingGroups()) {
      std::erase_if(leaders_, [&living](pid_t leader) {
        return std::find(living->begin(), living->end(), leader) == living->end();
      });
    }
  }
  if (leaders_.empty()) return true;
  pause_ = std::min(pause_ * 2, kPauseMax);
  return false;
}

}  // namespace treadle::worker
