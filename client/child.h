#pragma once

#include <memory>
#include <string>

#include "client/future/future_state.h"

#include "proto/support/running_task.h"
#include "treadle/submit_options.h"

// What a task that a handler submits has of the handler's own. TaskContext::client states the rules
// to users.

namespace treadle::client {

// `parent`: of the thread that submits; may be null.
bool IsChild(const RunningTask* parent, const Client& client, const SubmitOptions& own);

// Gives an encoded spec its parent's deadline, where its own is later or absent. Not to one with a
// request key: what is left of the deadline differs from attempt to attempt, and a key's content
// must not.
void InheritDeadline(const RunningTask& parent, const SubmitOptions& own, std::string& spec);

// From now on the task is cancelled when its parent is, as long as neither has ended. `siblings`:
// the parent's children; null: it has no parent.
void CancelWith(const std::shared_ptr<ChildTasks>& siblings, const FutureStateRef& task);

}  // namespace treadle::client
