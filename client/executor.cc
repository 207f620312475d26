#include "treadle/executor.h"

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/child.h"
#include "client/executor_task.h"
#include "client/future/future_state.h"
#include "client/future/task_spec.h"
#include "client/session/session.h"
#include "client/worker_check.h"

#include "proto/support/running_task.h"
#include "proto/support/trace_context.h"

namespace treadle {

// What an executor has in common with its copies, and with what With makes of it.
struct Executor::Shared {
  Shared(Client& client, client::Session& session, const ExecutorOptions& options)
      : group(session.NewGroup()) {
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

  const uint32_t group;
  std::atomic<bool> shut_down{false};
  std::optional<client::WorkerCheck> check;
};

struct Executor::Prepared {
  explicit Prepared(ExecutorOptions options_in)
      : options(std::move(options_in)),
        encoded(client::EncodeOptions(options.queue, options.submit)) {}

  const ExecutorOptions options;
  const absl::StatusOr<std::string> encoded;
};

Executor::Executor(Client& client, ExecutorOptions options)
    : Executor(client, std::make_shared<Shared>(client, client.session(), options), options) {}

Executor::Executor(Client& client, std::shared_ptr<Shared> shared, ExecutorOptions options)
    : client_(&client),
      shared_(std::move(shared)),
      prepared_(std::make_shared<const Prepared>(std::move(options))) {}

Executor Executor::With(SubmitOptions submit) const {
  ExecutorOptions changed = options();
  changed.submit = std::move(submit);
  return Executor(*client_, shared_, std::move(changed));
}

Future<Payload> Executor::SubmitRaw(std::string_view type, Payload payload) const {
  return Future<Payload>(Send(type, std::move(payload)));
}

Future<Payload> Executor::SubmitRaw(const SubmitOptions& submit, std::string_view type,
                                    Payload payload) const {
  return Future<Payload>(Send(submit, type, std::move(payload)));
}

Future<Acceptance> Executor::PostRaw(std::string_view type, Payload payload) const {
  return Future<Acceptance>(SendPost(nullptr, type, std::move(payload)));
}

Future<Acceptance> Executor::PostRaw(const SubmitOptions& submit, std::string_view type,
                                     Payload payload) const {
  return Future<Acceptance>(SendPost(&submit, type, std::move(payload)));
}

bool Executor::is_shut_down() const { return shared_->shut_down.load(); }

const ExecutorOptions& Executor::options() const { return prepared_->options; }

absl::StatusOr<Executor::Task> Executor::Prepare(const SubmitOptions* own, std::string_view type,
                                                 const absl::StatusOr<Payload>& payload,
                                                 bool post) const {
  const std::string& queue = options().queue;
  const SubmitOptions& submit = own != nullptr ? *own : options().submit;
  absl::StatusOr<std::string> spec =
      own != nullptr ? client::EncodeSpec(client::EncodeOptions(queue, submit), type, payload)
                     : client::EncodeSpec(prepared_->encoded, type, payload);
  if (!spec.ok()) return spec.status();
  if (shared_->shut_down.load()) {
    return absl::FailedPreconditionError("the executor was shut down: submit through a new one");
  }
  const absl::StatusOr<uint32_t> group = shared_->GroupOf(type);
  if (!group.ok()) return group.status();
  RunningTask* const parent = RunningTask::Here();
  const bool child = client::IsChild(parent, *client_, submit);
  absl::Status status = AddHeaders(parent, child, type, submit, *spec);
  if (!status.ok()) return status;
  Task task;
  if (child) {
    client::InheritDeadline(*parent, submit, *spec);
    if (!post) task.siblings = parent->children();
  }
  task.spec = *std::move(spec);
  task.traits.keyed = !submit.request_key.empty();
  task.traits.until_accepted = post;
  task.traits.group = *group;
  return task;
}

client::FutureStateRef Executor::SendTask(const SubmitOptions* own, std::string_view type,
                                          absl::StatusOr<Payload> payload, bool post) const {
  absl::StatusOr<Task> task = Prepare(own, type, payload, post);
  if (!task.ok()) return client::EndedState(task.status());
  client::FutureStateRef state = client_->session().Submit(std::move(task->spec), task->traits);
  client::CancelWith(task->siblings, state);
  return state;
}

absl::Status Executor::AddHeaders(const RunningTask* parent, bool child, std::string_view type,
                                  const SubmitOptions& submit, std::string& spec) const {
  const std::function<void(SubmitEvent&)>& on_submit = client_->options().on_submit;
  if (parent == nullptr && !on_submit) return absl::OkStatus();
  SubmitEvent event(options().queue, type, submit);
  if (parent != nullptr) {
    const bool own_trace = submit.headers.contains(kTraceParent);
    for (const auto& header : parent->headers()) {
      const bool inherits = IsTraceContext(header.first) ? !own_trace : child;
      if (inherits && !submit.headers.contains(header.first)) event.headers.insert(header);
    }
  }
  if (on_submit) on_submit(event);
  return client::AppendHeaders(event.headers, spec);
}

void Executor::Shutdown(bool wait, bool cancel_futures) {
  shared_->shut_down.store(true);
  std::vector<client::FutureStateRef> pending;
  for (const uint32_t group : shared_->Groups()) {
    for (client::FutureStateRef& state : client_->session().PendingOf(group)) {
      pending.push_back(std::move(state));
    }
  }
  if (cancel_futures) {
    for (const client::FutureStateRef& state : pending) state->Cancel();
  }
  if (!wait) return;
  for (client::FutureStateRef& state : pending) FutureBase(std::move(state)).Wait().IgnoreError();
}

}  // namespace treadle
