#include "server/engine/sessions.h"

#include <algorithm>
#include <utility>

#include "server/engine/refusals.h"

namespace treadle::engine {

void Sessions::Apply(Turn& turn, const OpenSession& open) {
  if (const Call* const call = s_.calls.Find(open.call);
      call != nullptr && (call->session != nullptr || call->worker != nullptr)) {
    turn.Say(Durability::kMemory, EndCall{open.call, refusal::AlreadyOpened()});
    return;
  }
  if (open.for_unary) {
    turn.Say(Durability::kSynced, SessionOpened{open.call, absl::OkStatus(), s_.NextSession()});
    return;
  }
  if (open.session == 0) {
    if (absl::Status s = CheckRoom(open.origin); !s.ok()) {
      turn.Say(Durability::kMemory, SessionOpened{open.call, std::move(s)});
      return;
    }
    Session& session = s_.sessions.Add(s_.NextSession(), open.secret);
    session.origin = open.origin;
    s_.session_shares.Take(session.origin);
    s_.sessions.Touch(session);
    Attach(session, open.call);
    // Its number needs no disk: no other life gives it, whatever the store has lost. What is built
    // on it is stored after it.
    turn.Say(Durability::kMemory, SessionOpened{open.call, absl::OkStatus(), session.id,
                                                /*resumed=*/false, session.secret});
    return;
  }
  Session* const session = s_.sessions.Find(open.session);
  if (session == nullptr || session->secret != open.secret ||
      IsTooFar(*session, open.acknowledged_below)) {
    turn.Say(Durability::kMemory,
             SessionOpened{open.call, refusal::NoSuchSession(open.session), open.session});
    return;
  }
  if (session->call != CallId{}) {
    turn.Say(Durability::kMemory, EndCall{session->call, refusal::SessionTakenOver(session->id)});
    TakeOver(*session, open.call);
  }
  Attach(*session, open.call);
  turn.Say(Durability::kMemory, SessionOpened{open.call, absl::OkStatus(), session->id,
                                              /*resumed=*/true, session->secret});
}

// Below what no client of this session can have acknowledged.
bool Sessions::IsTooFar(const Session& session, uint64_t below) const {
  return below > session.newest() + static_cast<uint64_t>(s_.options.session_gap_max) + 1;
}

// What waits for room keeps its place; the answer goes over the newer stream.
void Sessions::TakeOver(Session& session, CallId newer) {
  Call& older = *s_.calls.Find(session.call);
  older.session = nullptr;
  for (Waiter& waiter : older.waiters) waiter.submit.call = newer;
  s_.calls.Obtain(newer).waiters.Splice(older.waiters);
  s_.calls.Release(session.call);
}

void Sessions::Attach(Session& session, CallId call) {
  session.call = call;
  s_.calls.Obtain(call).session = &session;
  s_.timers.Clear(session);
  s_.sessions.TakeBack(session);
}

void Sessions::Apply(Turn& turn, const AcknowledgeSession& acknowledge) {
  Session* const session = s_.calls.SessionOf(acknowledge.call);
  if (session == nullptr || acknowledge.below <= session->floor) return;
  if (IsTooFar(*session, acknowledge.below)) {
    turn.Say(Durability::kMemory,
             EndCall{acknowledge.call,
                     refusal::AcknowledgedTooFar(acknowledge.below, session->newest())});
    return;
  }
  session->floor = acknowledge.below;
  session->accepted.RemoveBelow(session->floor);
  s_.sessions.Touch(*session);
}

void Sessions::Apply(Turn& turn, const CloseSession& close) {
  Session* const session = s_.calls.SessionOf(close.call);
  if (session == nullptr) return;
  Call& call = *s_.calls.Find(close.call);
  admission_.Withdraw(turn, call, refusal::NoLongerWaiting("its session was closed"));
  call.session = nullptr;
  s_.calls.Release(close.call);
  Forget(turn, *session);
}

void Sessions::Detach(Turn& turn, Session& session) {
  session.call = CallId{};
  const int64_t now_ms = turn.now_ms();
  session.expires_listened_ms = now_ms - s_.deaf_ms + s_.options.resume_window_ms;
  s_.timers.Set(session, now_ms + s_.options.resume_window_ms);
  if (session.had_task) return;
  // Its client may have sent something that did not arrive, and be about to send it again.
  s_.sessions.PutAside(session);
  const int64_t aside_max = std::min(s_.options.empty_sessions_max, s_.options.sessions_max / 10);
  while (s_.sessions.aside_count() > aside_max) Forget(turn, s_.sessions.oldest_aside());
}

void Sessions::Due(Turn& turn, Session& session, int64_t due_ms) {
  const int64_t expires = s_.WhenListened(session.expires_listened_ms);
  if (expires > due_ms) return s_.timers.Set(session, expires);
  Forget(turn, session);
}

void Sessions::Forget(Turn& turn, Session& session) {
  if (!session.fresh) turn.Erase(SessionKey{session.id});
  s_.session_shares.Return(session.origin);
  s_.timers.Clear(session);
  s_.sessions.Erase(session);
}

absl::Status Sessions::CheckRoom(Origin origin) const {
  const Shares& shares = s_.session_shares;
  if (shares.IsFull()) return refusal::TooManySessions(shares.max());
  if (shares.IsGreedy(origin)) {
    return refusal::TooLargeAShare("sessions", "--sessions-max", shares.max());
  }
  return absl::OkStatus();
}

void Sessions::WriteChanged(Turn& turn) {
  for (Session* const session : s_.sessions.TakeDirty()) {
    session->fresh = false;
    turn.Put(SessionRow{session->id, session->floor, session->accepted.ranges(), session->secret});
  }
}

}  // namespace treadle::engine
