#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "rocksdb/file_system.h"

#include "server/store/synced_ends.h"

namespace treadle::store {

// RocksDB's files with an eye on them:
//  - The first change of a file that fails is told before RocksDB hears of it. RocksDB takes any
//    further call on that file, from whichever thread, for a bug of its own and ends the process
//    with an assertion (WritableFileWriter::AssertFalseAndGetStatusForPrevError): a sync and a
//    write that fail at the same time are enough.
//  - How far logs and MANIFESTs have been synced is noted.
//  - A file that can't be opened for want of descriptors is tried again for a while.
//  - A large file's space is given back in pieces: a file system that is given back all of it at
//    once lets no sync through meanwhile (64 MiB on ext4: 30 ms).
//  - Its diary is one that may fail (see Diary).
// Called by RocksDB's threads and the store's.
class WatchedFiles final : public rocksdb::FileSystemWrapper {
 public:
  // `ends` outlives it. `notice` is told when a file waits for a descriptor, by any of the threads.
  WatchedFiles(SyncedEnds& ends, std::function<void(const std::string&)> notice);

  // From now on, until Unwatch, `on_failure` is told, at each failure, by any of the threads. It
  // may end the process; otherwise RocksDB gets the error next. Once.
  void Watch(std::function<void(const rocksdb::Status&)> on_failure);
  void Unwatch() { watching_ = false; }

  const char* Name() const override { return "treadle.watched"; }
  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewLogger(const std::string& path, const rocksdb::IOOptions& options,
                              std::shared_ptr<rocksdb::Logger>* logger,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

  // What is told of `status`, which is returned.
  rocksdb::IOStatus Told(rocksdb::IOStatus status) const;

 private:
  SyncedEnds& ends_;
  const std::function<void(const std::string&)> notice_;
  std::function<void(const rocksdb::Status&)> on_failure_;
  std::atomic<bool> watching_ = false;
};

}  // namespace treadle::store
