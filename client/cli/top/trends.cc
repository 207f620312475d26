#include "client/cli/top/trends.h"

#include <algorithm>

namespace treadle::cli::top {
namespace {

template <typename T>
void Push(std::vector<T>& values, T value) {
  if (values.size() == Trends::kSamplesMax) values.erase(values.begin());
  values.push_back(value);
}

}  // namespace

void Trends::Add(const Snapshot& snapshot, int64_t now_ms) {
  Push(times_, now_ms);
  for (const v1::Queue& queue : snapshot.queues) {
    const v1::QueueStats& stats = queue.stats();
    Queue& known = queues_[queue.config().name()];
    Push(known.samples, {static_cast<float>(stats.submitted_per_second()),
                         static_cast<float>(stats.finished_per_second()), stats.dead_letters()});
    known.seen_ms = now_ms;
  }
  absl::erase_if(queues_, [now_ms](const auto& queue) { return queue.second.seen_ms != now_ms; });
}

std::vector<double> Trends::Rates(const std::string& queue, float Sample::*rate) const {
  std::vector<double> rates;
  const auto known = queues_.find(queue);
  if (known == queues_.end()) return rates;
  for (const Sample& sample : known->second.samples) rates.push_back(sample.*rate);
  return rates;
}

std::vector<double> Trends::In(const std::string& queue) const { return Rates(queue, &Sample::in); }

std::vector<double> Trends::Out(const std::string& queue) const {
  return Rates(queue, &Sample::out);
}

int64_t Trends::CoveredMs(const std::string& queue) const {
  const auto known = queues_.find(queue);
  if (known == queues_.end()) return 0;
  return times_.back() - times_[times_.size() - known->second.samples.size()];
}

Trends::Growth Trends::DeadLetters() const {
  Growth growth;
  if (times_.empty()) return growth;
  const auto first = std::lower_bound(times_.begin(), times_.end(), times_.back() - kNewsMs);
  const auto recent = static_cast<size_t>(times_.end() - first);
  int64_t most = 0;
  for (const auto& [name, queue] : queues_) {
    const auto& samples = queue.samples;
    const Sample& before = samples[samples.size() - std::min(samples.size(), recent)];
    const int64_t more = samples.back().dead_letters - before.dead_letters;
    if (more <= 0) continue;
    growth.dead_letters += more;
    if (more > most || (more == most && name < growth.queue)) growth.queue = name;
    most = std::max(most, more);
  }
  return growth;
}

}  // namespace treadle::cli::top
