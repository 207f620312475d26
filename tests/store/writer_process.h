#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace treadle::store {

// A store_writer of this build, as a process of its own. Killed and waited for at the latest by the
// destructor.
class WriterProcess {
 public:
  WriterProcess(const std::string& directory, const std::vector<std::string>& arguments);
  ~WriterProcess();
  WriterProcess(const WriterProcess&) = delete;
  WriterProcess& operator=(const WriterProcess&) = delete;

  // Reads what it says until it has told that `batches` are durable, or has ended.
  void ReadUntil(int64_t batches);
  void Kill();
  // Ends its standard input, reads what it says until it has ended, and waits for it.
  void Wait();

  // The most batches that it told to be durable; -1: it told nothing.
  int64_t synced() const { return synced_; }
  // What else it said, errors above all.
  const std::string& errors() const { return errors_; }
  // After Wait. -1: a signal ended it.
  int exit_code() const;
  // After Wait. 0: none.
  int signal() const;

 private:
  // False: it said its last.
  bool ReadSome();

  pid_t pid_ = -1;
  int input_ = -1;   // its standard input
  int output_ = -1;  // its standard output and standard error
  int status_ = 0;
  std::string unread_;
  std::string errors_;
  int64_t synced_ = -1;
};

}  // namespace treadle::store
