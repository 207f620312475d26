#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "server/engine/intrusive_list.h"
#include "server/engine/range_set.h"
#include "server/engine/row.h"
#include "server/engine/timers.h"
#include "server/engine/types.h"

namespace treadle::engine {

struct AsideTag;

// A client's session: which of its sequences were accepted, so that none is accepted twice.
struct Session : Timed, ListNode<AsideTag> {
  Session(uint64_t number, const ResumeSecret& resumed_with)
      : Timed(TimedKind::kSession), id(number), secret(resumed_with) {}

  const uint64_t id;
  const ResumeSecret secret;
  uint64_t floor = 1;
  RangeSet accepted;
  CallId call{};                    // its stream; 0: none, and it is kept until its timer
  int64_t expires_listened_ms = 0;  // without a stream: see State::deaf_ms
  Origin origin;
  bool had_task = false;  // it has accepted something
  bool dirty = false;
  bool fresh = true;  // opened in this turn: it has no row yet

  // The newest sequence that a new submit may follow.
  uint64_t newest() const {
    const uint64_t max = accepted.Max();
    return max >= floor ? max : floor - 1;
  }
};

class SessionTable {
 public:
  using Map = std::map<uint64_t, std::unique_ptr<Session>>;

  Session* Find(uint64_t id) const {
    const auto found = sessions_.find(id);
    return found == sessions_.end() ? nullptr : found->second.get();
  }
  // REQUIRES: a new id.
  Session& Add(uint64_t id, const ResumeSecret& secret) {
    return *sessions_.emplace_hint(sessions_.end(), id, std::make_unique<Session>(id, secret))
                ->second;
  }
  void Erase(Session& session) {
    std::erase(dirty_, &session);
    TakeBack(session);
    sessions_.erase(session.id);
  }

  // Its row is written at the turn's end.
  void Touch(Session& session) {
    if (session.dirty) return;
    session.dirty = true;
    dirty_.push_back(&session);
  }
  // Who was touched since the last time, in that order.
  std::vector<Session*> TakeDirty() {
    for (Session* const session : dirty_) session->dirty = false;
    return std::exchange(dirty_, {});
  }

  // Those without a stream that never had a task: they give way, the oldest first.
  void PutAside(Session& session) {
    aside_.PushBack(session);
    ++aside_count_;
  }
  void TakeBack(Session& session) {
    if (!session.linked()) return;
    session.Unlink();
    --aside_count_;
  }
  int64_t aside_count() const { return aside_count_; }
  Session& oldest_aside() { return aside_.front(); }

  size_t size() const { return sessions_.size(); }
  const Map& all() const { return sessions_; }

 private:
  Map sessions_;
  std::vector<Session*> dirty_;
  List<Session, AsideTag> aside_;
  int64_t aside_count_ = 0;
};

}  // namespace treadle::engine
