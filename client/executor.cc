#include "treadle/executor.h"

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/future/future_state.h"
#include "client/future/task_spec.h"
#include "client/session/session.h"
#include "client/worker_check.h"

namespace treadle {
struct Executor::Prepared {
  Prepared(Client& client, Session& session, ExecutorOptions options_in)
      : options(std::move(options_in)),
        encoded(EncodeOptions(options.queue, options.submit)),
        group(session.NewGroup()) {
    if (options.broken_after.count() > 0) {
      check.emplace(client, session, options.queue, options.broken_after);
    }
  }

  absl::StatusOr<uint32_t> GroupOf(std::string_view type) {
    return check.has_value() ? check->GroupOf(type) : absl::StatusOr<uint32_t>(group);
  }
  std::vector<uint32_t> Groups() {
    return check.has_value() ? check->Groups() : std::vector<uint32_t>{group};
  }

  const ExecutorOptions options;
  const absl::StatusOr<std::string> encoded;
  const uint32_t group;
  std::atomic<bool> shut_down{false};
  std::optional<WorkerCheck> check;
};

Executor::Executor(Client& client, ExecutorOptions options)
    : client_(&client),
      prepared_(std::make_shared<Prepared>(client, client.session(), std::move(options))) {}

Future<Payload> Executor::SubmitRaw(std::string_view type, Payload payload) const {
  return Future<Payload>(Send(type, std::move(payload)));
}

Future<Payload> Executor::SubmitRaw(const SubmitOptions& submit, std::string_view type,
                                    Payload payload) const {
  return Future<Payload>(Send(submit, type, std::move(payload)));
}

bool Executor::is_shut_down() const { return prepared_->shut_down.load(); }

const ExecutorOptions& Executor::options() const { return prepared_->options; }

FutureStateRef Executor::Send(std::string_view type, absl::StatusOr<Payload> payload) const {
  return Send(EncodeSpec(prepared_->encoded, type, payload), type,
              !options().submit.request_key.empty());
}

FutureStateRef Executor::Send(const SubmitOptions& submit, std::string_view type,
                              absl::StatusOr<Payload> payload) const {
  return Send(EncodeSpec(EncodeOptions(options().queue, submit), type, payload), type,
              !submit.request_key.empty());
}

FutureStateRef Executor::Send(absl::StatusOr<std::string> spec, std::string_view type,
                              bool keyed) const {
  if (!spec.ok()) return EndedState(spec.status());
  if (prepared_->shut_down.load()) {
    return EndedState(
        absl::FailedPreconditionError("the executor was shut down: submit through a new one"));
  }
  const absl::StatusOr<uint32_t> group = prepared_->GroupOf(type);
  if (!group.ok()) return EndedState(group.status());
  SubmitTraits traits;
  traits.keyed = keyed;
  traits.group = *group;
  return client_->session().Submit(*std::move(spec), traits);
}

void Executor::Shutdown(bool wait, bool cancel_futures) {
  prepared_->shut_down.store(true);
  std::vector<FutureStateRef> pending;
  for (const uint32_t group : prepared_->Groups()) {
    for (FutureStateRef& state : client_->session().PendingOf(group)) {
      pending.push_back(std::move(state));
    }
  }
  if (cancel_futures) {
    for (const FutureStateRef& state : pending) state->Cancel();
  }
  if (!wait) return;
  for (FutureStateRef& state : pending) FutureBase(std::move(state)).Wait().IgnoreError();
}

}  // namespace treadle
