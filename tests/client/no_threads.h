#pragma once

namespace treadle::test {

// While it lives, the thread that made it cannot start threads: the system has none left.
class NoThreads {
 public:
  NoThreads();
  ~NoThreads();
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;
};

}  // namespace treadle::test
