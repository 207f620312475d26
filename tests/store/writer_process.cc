#include "tests/store/writer_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include <sys/wait.h>

#include "proto/support/assert.h"

namespace treadle::store {

WriterProcess::WriterProcess(const std::string& directory,
                             const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {TREADLE_STORE_WRITER, directory};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  int to_child[2];
  int from_child[2];
  TREADLE_ASSERT(::pipe2(to_child, O_CLOEXEC) == 0 && ::pipe2(from_child, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, to_child[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, from_child[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, from_child[1], STDERR_FILENO);
  TREADLE_ASSERT(::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) == 0);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(to_child[0]);
  ::close(from_child[1]);
  input_ = to_child[1];
  output_ = from_child[0];
}

WriterProcess::~WriterProcess() {
  Kill();
  Wait();
  ::close(output_);
}

bool WriterProcess::ReadSome() {
  char buffer[4096];
  const ssize_t size = ::read(output_, buffer, sizeof(buffer));
  if (size <= 0) return false;
  unread_.append(buffer, static_cast<size_t>(size));
  for (size_t end; (end = unread_.find('\n')) != std::string::npos; unread_.erase(0, end + 1)) {
    absl::string_view line(unread_.data(), end);
    if (!absl::ConsumePrefix(&line, "synced ") || !absl::SimpleAtoi(line, &synced_)) {
      errors_.append(line.data(), line.size()).append("\n");
    }
  }
  return true;
}

void WriterProcess::ReadUntil(int64_t batches) {
  while (synced_ < batches && ReadSome()) continue;
}

void WriterProcess::Kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

void WriterProcess::Wait() {
  if (pid_ <= 0) return;
  ::close(input_);
  while (ReadSome()) continue;
  TREADLE_ASSERT(::waitpid(pid_, &status_, 0) == pid_);
  pid_ = -1;
}

int WriterProcess::exit_code() const { return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1; }
int WriterProcess::signal() const { return WIFSIGNALED(status_) ? WTERMSIG(status_) : 0; }

}  // namespace treadle::store
