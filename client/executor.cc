#include "treadle/executor.h"

#include <atomic>
#include <mutex>
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
namespace {

// What the program says of its trace, for a submit that names none. Empty: nothing.
std::string CurrentTrace(const ClientOptions& client, const SubmitOptions& submit) {
  const bool asks = client.trace_context && !submit.headers.contains(kTraceParent);
  return asks ? client.trace_context() : std::string();
}

}  // namespace

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

  // A task with these options. Most programs submit many of one type, so these share what they
  // have in common.
  absl::StatusOr<client::EncodedTask> Encode(std::string_view type, Payload payload) {
    std::unique_lock lock(mutex);
    if (last == nullptr || last_type != type || last_content_type != payload.content_type) {
      absl::StatusOr<std::string> common =
          client::EncodeCommon(encoded, type, payload.content_type);
      if (!common.ok()) return common.status();
      last = std::make_shared<const std::string>(*std::move(common));
      last_type = type;
      last_content_type = payload.content_type;
    }
    std::shared_ptr<const std::string> common = last;
    lock.unlock();
    return client::EncodedTask{std::move(common), std::move(payload.bytes),
                               options.submit.request_key};
  }

  const ExecutorOptions options;
  const absl::StatusOr<std::string> encoded;
  bool traced = false;  // by Traced: the options have what ClientOptions::trace_context said

  std::mutex mutex;
  // Protected by mutex.
  std::string last_type;
  std::string last_content_type;
  std::shared_ptr<const std::string> last;
};

Executor::Executor(Client& client, ExecutorOptions options)
    : Executor(client, std::make_shared<Shared>(client, client.session(), options), options) {}

Executor::Executor(Client& client, std::shared_ptr<Shared> shared, ExecutorOptions options)
    : client_(&client),
      shared_(std::move(shared)),
      prepared_(std::make_shared<Prepared>(std::move(options))) {}

Executor Executor::With(SubmitOptions submit) const {
  ExecutorOptions changed = options();
  changed.submit = std::move(submit);
  return Executor(*client_, shared_, std::move(changed));
}

Executor Executor::Traced() const {
  if (!client_->options().trace_context || prepared_->traced) return *this;
  SubmitOptions submit = options().submit;
  std::string current = CurrentTrace(client_->options(), submit);
  if (!current.empty()) submit = submit.Traceparent(std::move(current));
  Executor traced = With(std::move(submit));
  traced.prepared_->traced = true;
  return traced;
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
                                                 absl::StatusOr<Payload> payload, bool post) const {
  if (!payload.ok()) return payload.status();
  absl::StatusOr<client::EncodedTask> encoded =
      own != nullptr ? client::EncodeTask(options().queue, *own, type, *std::move(payload))
                     : prepared_->Encode(type, *std::move(payload));
  if (!encoded.ok()) return encoded.status();
  if (shared_->shut_down.load()) {
    return absl::FailedPreconditionError("the executor was shut down: submit through a new one");
  }
  const absl::StatusOr<uint32_t> group = shared_->GroupOf(type);
  if (!group.ok()) return group.status();
  Task task;
  const SubmitOptions& submit = own != nullptr ? *own : options().submit;
  RunningTask* const parent = RunningTask::Here();
  const ClientOptions& hooks = client_->options();
  if (parent != nullptr || hooks.on_submit || (hooks.trace_context && !prepared_->traced)) {
    const bool child = client::IsChild(parent, *client_, submit);
    std::string common = *encoded->common;
    absl::Status status = client::AppendHeaders(OwnHeaders(parent, child, type, submit), common);
    if (!status.ok()) return status;
    if (child) {
      client::InheritDeadline(*parent, submit, common);
      if (!post) task.siblings = parent->children();
    }
    encoded->common = std::make_shared<const std::string>(std::move(common));
  }
  task.encoded = *std::move(encoded);
  task.traits.until_accepted = post;
  task.traits.group = *group;
  return task;
}

client::FutureStateRef Executor::SendTask(const SubmitOptions* own, std::string_view type,
                                          absl::StatusOr<Payload> payload, bool post) const {
  absl::StatusOr<Task> task = Prepare(own, type, std::move(payload), post);
  if (!task.ok()) return client::EndedState(task.status());
  client::FutureStateRef state = client_->session().Submit(std::move(task->encoded), task->traits);
  client::CancelWith(task->siblings, state);
  return state;
}

std::vector<client::FutureStateRef> Executor::SendTasks(
    std::string_view type, std::vector<absl::StatusOr<Payload>> payloads, bool post) const {
  const Executor traced = Traced();
  std::vector<client::FutureStateRef> states(payloads.size());
  std::vector<std::pair<client::EncodedTask, client::SubmitTraits>> tasks;
  std::vector<std::pair<size_t, std::shared_ptr<ChildTasks>>> places;  // of these
  tasks.reserve(payloads.size());
  places.reserve(payloads.size());
  for (size_t i = 0; i < payloads.size(); ++i) {
    absl::StatusOr<Task> task = traced.Prepare(nullptr, type, std::move(payloads[i]), post);
    if (!task.ok()) {
      states[i] = client::EndedState(task.status());
      continue;
    }
    tasks.emplace_back(std::move(task->encoded), task->traits);
    places.emplace_back(i, std::move(task->siblings));
  }
  std::vector<client::FutureStateRef> sent = client_->session().SubmitAll(std::move(tasks));
  for (size_t i = 0; i < sent.size(); ++i) {
    const auto& [place, siblings] = places[i];
    states[place] = std::move(sent[i]);
    client::CancelWith(siblings, states[place]);
  }
  return states;
}

Headers Executor::OwnHeaders(const RunningTask* parent, bool child, std::string_view type,
                             const SubmitOptions& submit) const {
  SubmitEvent event(options().queue, type, submit);
  const bool own_trace = submit.headers.contains(kTraceParent);
  std::string current;
  if (!prepared_->traced) current = CurrentTrace(client_->options(), submit);
  if (parent != nullptr) {
    std::string parents = own_trace || !current.empty() ? "" : parent->traceparent();
    for (const auto& header : parent->headers()) {
      const bool inherits = IsTraceContext(header.first) ? !parents.empty() : child;
      if (inherits && !submit.headers.contains(header.first)) event.headers.insert(header);
    }
    if (!parents.empty()) current = std::move(parents);
  }
  if (!current.empty()) event.headers.insert_or_assign(std::string(kTraceParent), current);
  if (client_->options().on_submit) client_->options().on_submit(event);
  return std::move(event.headers);
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
