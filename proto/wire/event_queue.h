#pragma once

#include <atomic>
#include <chrono>

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

namespace treadle::wire {

// Where one thread, the owner, waits: for the events of its calls, and for others to wake it.
//
// A message costs it one wake-up. As a reactor, called by gRPC's own threads, it would cost four or
// five: one of those waits for the socket, another one for what the first one found, and both for
// their turn.
class EventQueue {
 public:
  // What a call's operation is begun with as its tag.
  class Event {
   public:
    // It has ended. The owner's thread, in Wait.
    virtual void Happened(bool ok) = 0;

   protected:
    ~Event() = default;
  };

  EventQueue() = default;
  // REQUIRES: every event has happened.
  ~EventQueue();
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  // For calls to be made on.
  grpc::CompletionQueue& queue() { return queue_; }

  // The owner has looked for work and found none: Wake ends the Wait that follows. Under the lock
  // with which others leave work, or some would be overlooked.
  void PrepareToWait();
  // Until something happens, somebody wakes the owner, or it is that late. Tells what has happened
  // of that, though never more than a few events: what others have left is looked at in between.
  void Wait(std::chrono::steady_clock::time_point until);
  // Costs next to nothing while the owner does not wait. Any thread.
  void Wake();

 private:
  enum class Owner { kAwake, kWaits, kWoken };  // woken: the alarm's event is under way

  // Nobody need wake the owner any more.
  void StayAwake();

  grpc::CompletionQueue queue_;
  grpc::Alarm alarm_;
  std::atomic<Owner> owner_ = Owner::kAwake;
};

// A member function as an event.
template <typename Class, void (Class::*kHappened)(bool)>
class EventOf final : public EventQueue::Event {
 public:
  explicit EventOf(Class& owner) : owner_(owner) {}
  void Happened(bool ok) override { (owner_.*kHappened)(ok); }

 private:
  Class& owner_;
};

}  // namespace treadle::wire
