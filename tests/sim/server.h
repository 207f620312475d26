#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "server/broker/broker.h"
#include "tests/sim/disk.h"
#include "tests/sim/machine.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"

namespace treadle::sim {

// The machine that the broker runs on: starts it, turns it, kills it.
class Server {
 public:
  Server(const broker::BrokerOptions& options, Timeline& timeline, Random& random, Trace& trace,
         Oracle& oracle, Network& network, Disk& disk, Machine& machine);

  bool up() const { return broker_ != nullptr; }
  broker::Broker& broker() { return *broker_; }

  void Start();
  // False: the broker had nothing to do, or has died.
  bool Turn();
  // A turn that ends before it can say anything: with its rows stored, or without them.
  void DieInTurn(bool power, bool stored);
  void Crash(bool power);
  // While it is up, its store is copied as it is on the disk. While it is down, the store is lost:
  // the next start finds the copy (if there is one, and `restore` says so), or nothing.
  void Backup();
  void LoseStore(bool restore);

  uint64_t turns() const { return turns_; }

 private:
  void StartClock();
  void CheckReload();

  const broker::BrokerOptions options_;
  Timeline& timeline_;
  Random& random_;
  Trace& trace_;
  Oracle& oracle_;
  Network& network_;
  Disk& disk_;
  Machine& machine_;
  std::unique_ptr<ServiceClock> clock_;  // of the latest run
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<broker::Broker> broker_;
  Disk::Copy nothing_;
  std::optional<Disk::Copy> backup_;
  uint64_t fingerprint_ = 0;
  uint64_t turns_ = 0;
};

}  // namespace treadle::sim
