#pragma once

#include <atomic>
#include <cstdarg>
#include <cstddef>
#include <string>

#include "rocksdb/env.h"

namespace treadle::store {

// RocksDB's diary (the file LOG) as far as it can be written: what can't be is left out. RocksDB's
// own ends the process with an assertion at the first line after one that failed, on a full disk
// for example (EnvLogger over WritableFileWriter). Any thread.
class Diary final : public rocksdb::Logger {
 public:
  // Empties the file, or makes it.
  explicit Diary(const std::string& path);
  ~Diary() override;

  using Logger::Logv;
  void Logv(const char* format, va_list arguments) override;
  size_t GetLogFileSize() const override { return bytes_; }

 private:
  rocksdb::Status CloseImpl() override;

  std::atomic<int> file_ = -1;
  std::atomic<size_t> bytes_ = 0;
};

}  // namespace treadle::store
