#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "server/store/store.h"
#include "tests/sim/random.h"
#include "tests/sim/timeline.h"

namespace treadle::sim {

// What a disk does with a store's batches: keeps those that were synced, and of the others, when
// the power fails, only as many of the first ones as chance decides. A batch that was torn by it is
// dropped when the store is opened again, so here it is simply among those that are lost.
class Disk {
 public:
  // Hears of every batch: when it is appended, and when it has become durable.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void Appended(const store::WriteBatch& batch) = 0;
    virtual void Durable(const store::WriteBatch& batch) = 0;
  };

  Disk(Timeline& timeline, Random& random, Observer& observer);

  // The store as it is found now. One at a time: the one before is dead. `clock` decides what has
  // expired.
  std::unique_ptr<store::Store> Open(const Clock& clock);

  // The machine loses power, or (`power` false) only the process dies, and the operating system
  // still writes what it was handed.
  void Crash(bool power);

  // The engine's fingerprint after the newest batch, and what it must be after opening again.
  void NoteFingerprint(uint64_t fingerprint);
  uint64_t durable_fingerprint() const { return durable_fingerprint_; }

  using Rows = std::map<std::string, std::string, std::less<>>;
  // All that it holds at one time.
  struct Copy {
    Rows rows;
    std::set<std::string> put_again;
    uint64_t fingerprint = 0;
  };
  // What is durable now.
  Copy Backup() const { return {durable_, put_again_, durable_fingerprint_}; }
  // REQUIRES: no store is open. Only the copy is left.
  void Restore(const Copy& copy);

  const Rows& durable_rows() const { return durable_; }
  // All that was appended; equal to the durable ones after a crash.
  const Rows& rows() const { return rows_; }
  uint64_t appends() const { return appends_; }
  // How often it has stalled.
  uint64_t stalled() const { return stalled_; }

  // Faults, set from outside.
  bool fail_next_append = false;
  bool fail_next_write = false;  // if it writes behind
  bool fail_next_sync = false;
  bool full = false;
  bool slow = false;
  bool stalls = true;  // now and then it takes seconds
  // Appends return before they are written. For the whole run.
  bool writes_behind = false;
  // The break that the tests must find: says that it has synced when it has not.
  bool lie_about_syncs = false;

 private:
  class OpenStore;
  struct Unsynced {
    store::WriteBatch batch;
    uint64_t fingerprint = 0;
    bool written = false;  // handed to the operating system
  };

  void MakeDurable(size_t batches);
  // Asserts what WriteBatch::DeleteOnce requires.
  void CheckPutOnce(const store::WriteBatch& batch);

  Timeline& timeline_;
  Random& random_;
  Observer& observer_;
  Rows durable_;
  Rows rows_;
  std::set<std::string> put_again_;  // keys that were put twice since they were last deleted
  std::deque<Unsynced> tail_;
  uint64_t appends_ = 0;
  uint64_t stalled_ = 0;
  uint64_t durable_fingerprint_ = 0;
};

}  // namespace treadle::sim
