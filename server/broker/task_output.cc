#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "server/broker/broker_impl.h"
#include "server/engine/refusals.h"

// What tasks say while they run: kept, told to those who follow, and dropped.

namespace treadle::broker {

using engine::Durability;

namespace {

constexpr int64_t kSweepEveryMs = 1'000;

}  // namespace

void Broker::Impl::Take(TakeOutput output) {
  OutputTaken taken{.call = output.call, .token = output.token};
  const std::optional<TaskId> task = engine_.FindLeased(output.call, output.token);
  if (task.has_value()) {
    const Outputs::Attempt attempt{*task, output.token, engine_.FindTask(*task)->attempts};
    taken.next_index =
        outputs_.Append(attempt, output.first_index, std::move(output.entries),
                        /*keep=*/free_space_.Check(now_ms_).ok(), now_ms_, output_rows_);
    PutOutputRows();
    TellReaders(*task, outputs_.Find(*task)->next);
  } else {
    taken.next_index = output.first_index.value_or(0) + output.entries.size();
    taken.status = engine::refusal::LeaseOver(output.token);
  }
  turn_.output_taken.push_back(std::move(taken));
}

void Broker::Impl::SayOutputTaken() {
  for (OutputTaken& taken : turn_.output_taken) gate_.Say(Durability::kSynced, std::move(taken));
}

void Broker::Impl::Await(AwaitOutput wait) {
  const engine::OutputRow* const output = outputs_.Find(wait.task);
  const uint64_t next = output == nullptr ? 0 : output->next;
  if (next > wait.offset || !engine_.IsUnfinished(wait.task)) {
    questions_.Add(wait.ask.call, std::move(wait.ask));
  } else if (MayWait(wait.ask.call)) {
    output_readers_.Add(std::move(wait));
  }
}

void Broker::Impl::PutOutputRows() {
  for (const engine::RowChange& change : output_rows_) encoder_.Encode(change, turn_.batch);
  output_rows_.clear();
}

// They ask when the turn's rows are in the store.
void Broker::Impl::TellReaders(TaskId task, uint64_t next) {
  output_readers_.Wake(task, next, awaited_);
  for (AskQuery& ask : awaited_) {
    const engine::CallId call = ask.call;
    questions_.Add(call, std::move(ask));
  }
  awaited_.clear();
}

void Broker::Impl::EndOutputs() {
  if (outputs_.size() == 0 && output_readers_.empty()) return;
  for (const engine::Output& output : turn_.effects.outputs) {
    const auto* const finished = std::get_if<engine::TaskFinished>(&output.event);
    if (finished == nullptr) continue;
    const engine::FinishedRow& row = *finished->row;
    const engine::TaskRange tasks{row.id, row.tasks};
    for (uint32_t i = 0; i < tasks.count; ++i) {
      outputs_.End(tasks.At(i), std::max(row.drop_at_ms, now_ms_), output_rows_);
      TellReaders(tasks.At(i), UINT64_MAX);
    }
  }
  PutOutputRows();
}

// Looks at what was due before this moment: nothing more can become due then.
void Broker::Impl::SweepOutputs() {
  if (outputs_.NextSweepMs() > now_ms_) return;
  outputs_.BeginSweep();
  store_reads_.Work([this, before_ms = now_ms_](StoredTasks& stored) -> Reads::Then {
    return [this, found = stored.FindOutputToDrop(before_ms)]() mutable {
      for (const engine::RowKey& key : found.keys) encoder_.Encode(key, turn_.batch);
      outputs_.EndSweep(found.next_ms, found.all ? now_ms_ + kSweepEveryMs : now_ms_);
    };
  });
}

}  // namespace treadle::broker
