#include "client/cli/top/model.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "client/cli/console/human.h"
#include <fmt/format.h>

namespace treadle::cli::top {
namespace {

constexpr int64_t kPageRows = 10;  // of the keys of that name
constexpr size_t kFilterBytesMax = 255;
// As the dashboard has them.
constexpr std::array<int64_t, 4> kIntervalsMs = {1'000, 2'000, 5'000, 15'000};
// An answer may take so long before it is missed.
constexpr int64_t kLateMs = 3'000;

// `filter`: in small letters.
bool Contains(const std::string& text, const std::string& filter) {
  return filter.empty() || absl::StrContains(absl::AsciiStrToLower(text), filter);
}

// What is sorted by; the highest is first.
double Rank(const v1::QueueStats& stats, Sort sort) {
  switch (sort) {
    case Sort::kQueued:
      return static_cast<double>(stats.queued());
    case Sort::kRunning:
      return static_cast<double>(stats.running());
    case Sort::kRate:
      return stats.finished_per_second() + stats.submitted_per_second();
    case Sort::kAge:
      return static_cast<double>(stats.oldest_age_ms());
    case Sort::kFailed:
      return static_cast<double>(stats.failed_total());
    case Sort::kName:
      break;
  }
  return 0;
}

int Trouble(const v1::Worker& worker) {
  if (!worker.connected()) return 3;
  if (worker.draining()) return 1;
  return worker.has_quarantine() ? 2 : 0;
}

}  // namespace

const char* SortName(Sort sort) {
  static constexpr std::array<const char*, kSorts.size()> kNames = {"name", "queued", "running",
                                                                    "rate", "age",    "failed"};
  return kNames[static_cast<size_t>(sort)];
}

void Model::Show(std::shared_ptr<const Snapshot> snapshot, int64_t now_ms) {
  snapshot_ = std::move(snapshot);
  shown_at_ms_ = now_ms;
  lost_.clear();
  trends_.Add(*snapshot_, now_ms);
  attention_ = NeedsAttention(*snapshot_, trends_.DeadLetters());
  Arrange();
}

void Model::SortBy(Sort sort) {
  sort_ = sort;
  Arrange();
}

int64_t Model::StaleMs(int64_t now_ms) const {
  if (snapshot_ == nullptr) return 0;
  const int64_t age_ms = now_ms - shown_at_ms_;
  return !lost_.empty() || age_ms > interval_ms_ + kLateMs ? std::max<int64_t>(1, age_ms) : 0;
}

Detail Model::detail() const {
  for (auto page = pages_.rbegin(); page != pages_.rend(); ++page) {
    if (*page == Page::kHelp) continue;
    return {*page == Page::kQueue ? opened_ : "", *page == Page::kDead};
  }
  return {};
}

const v1::Queue* Model::opened() const {
  if (snapshot_ == nullptr) return nullptr;
  const auto& all = snapshot_->queues;
  const auto found = std::find_if(all.begin(), all.end(), [this](const v1::Queue& queue) {
    return queue.config().name() == opened_;
  });
  return found == all.end() ? nullptr : &*found;
}

bool Model::opened_is_known() const {
  return snapshot_ != nullptr && snapshot_->detail.queue == opened_;
}

void Model::Arrange() {
  if (snapshot_ == nullptr) return;
  ArrangeQueues();
  ArrangeWorkers();
  ArrangeGroups();
  // To where what was selected is now; if it has gone, to what is in its place.
  const std::vector<std::string> names = Names();
  const auto found = std::find(names.begin(), names.end(), selected_name_);
  Select(found == names.end() ? selected_ : static_cast<size_t>(found - names.begin()));
}

void Model::ArrangeQueues() {
  queues_.clear();
  const std::string filter = absl::AsciiStrToLower(filter_);
  for (const v1::Queue& queue : snapshot_->queues) {
    if (Contains(queue.config().name(), filter)) queues_.push_back(&queue);
  }
  // They come by name.
  std::stable_sort(queues_.begin(), queues_.end(), [this](const auto* a, const auto* b) {
    return Rank(a->stats(), sort_) > Rank(b->stats(), sort_);
  });
}

void Model::ArrangeWorkers() {
  workers_.clear();
  const std::string filter = absl::AsciiStrToLower(page() == Page::kWorkers ? filter_ : "");
  for (const v1::Worker& worker : snapshot_->workers) {
    const bool wanted =
        Contains(worker.name(), filter) ||
        std::any_of(worker.queues().begin(), worker.queues().end(),
                    [&](const std::string& queue) { return Contains(queue, filter); });
    if (wanted) workers_.push_back(&worker);
  }
  std::sort(workers_.begin(), workers_.end(), [](const auto* a, const auto* b) {
    return std::make_tuple(-Trouble(*a), std::string_view(a->name()),
                           std::string_view(a->worker_id())) <
           std::make_tuple(-Trouble(*b), std::string_view(b->name()),
                           std::string_view(b->worker_id()));
  });
}

void Model::ArrangeGroups() {
  groups_.clear();
  if (snapshot_->detail != detail()) return;  // they are of another page
  const std::string filter = absl::AsciiStrToLower(page() == Page::kDead ? filter_ : "");
  for (const v1::DeadLetterGroup& group : snapshot_->groups) {
    if (Contains(group.queue(), filter) || Contains(group.type(), filter) ||
        Contains(group.error_type(), filter) || Contains(group.error_message(), filter)) {
      groups_.push_back(&group);
    }
  }
}

// What the rows of the page's list stand for.
std::vector<std::string> Model::Names() const {
  std::vector<std::string> names;
  switch (page()) {
    case Page::kOverview:
    case Page::kQueues:
      for (const auto* queue : queues_) names.push_back(queue->config().name());
      break;
    case Page::kWorkers:
      for (const auto* worker : workers_) names.push_back(worker->worker_id());
      break;
    case Page::kDead:
      for (const auto* group : groups_) names.push_back(group->queue() + '\n' + group->group());
      break;
    case Page::kQueue:
    case Page::kHelp:
      break;
  }
  return names;
}

void Model::Select(size_t row) {
  const std::vector<std::string> names = Names();
  selected_ = names.empty() ? 0 : std::min(row, names.size() - 1);
  // While a page's list is empty what was selected is remembered.
  if (!names.empty()) selected_name_ = names[selected_];
}

void Model::Move(int64_t rows) {
  Select(static_cast<size_t>(std::max<int64_t>(0, static_cast<int64_t>(selected_) + rows)));
}

void Model::Go(Page page) {
  pages_ = {page};
  filter_.clear();
  selected_ = 0;
  selected_name_.clear();
  Arrange();
}

void Model::Back(Effect& effect) {
  if (pages_.size() > 1) {
    pages_.pop_back();
    // To the row that it was opened from.
    if (page() != Page::kQueue) Arrange();
  } else if (!filter_.empty()) {
    filter_.clear();
    Arrange();
  } else {
    effect.quit = true;
  }
}

void Model::Open() {
  const bool on_queues = page() == Page::kOverview || page() == Page::kQueues;
  if (on_queues && selected_ < queues_.size()) {
    opened_ = queues_[selected_]->config().name();
  } else if (page() == Page::kDead && selected_ < groups_.size()) {
    opened_ = groups_[selected_]->queue();
  } else {
    return;
  }
  pages_.push_back(Page::kQueue);
  ArrangeGroups();
}

void Model::AskToPause() {
  const v1::Queue* queue = nullptr;
  if (page() == Page::kQueue) queue = opened();
  if (page() == Page::kOverview || page() == Page::kQueues) {
    if (selected_ < queues_.size()) queue = queues_[selected_];
  }
  if (queue == nullptr) return Say("choose a queue first: g q lists them");
  asked_ = Action{queue->config().name(), !queue->paused()};
}

std::string Model::Question() const {
  if (!asked_.has_value()) return "";
  return fmt::format("{} queue '{}'? y/n", asked_->pause ? "Pause" : "Resume",
                     Printable(asked_->queue));
}

Model::Effect Model::Answer(const Key& key) {
  Effect effect;
  if (key.Is("y") || key.Is("Y")) effect.action = std::exchange(asked_, std::nullopt);
  asked_.reset();
  return effect;
}

void Model::Type(const Key& key) {
  if (key.kind == Key::Kind::kEnter) {
    typing_ = false;
  } else if (key.kind == Key::Kind::kEscape) {
    typing_ = false;
    filter_.clear();
  } else if (key.kind == Key::Kind::kErase) {
    while (!filter_.empty()) {
      const char last = filter_.back();
      filter_.pop_back();
      if ((last & 0xc0) != 0x80) break;  // a character's first byte
    }
  } else if (key.kind == Key::Kind::kText && filter_.size() + key.text.size() <= kFilterBytesMax) {
    filter_ += key.text;
  }
  Arrange();
}

bool Model::Moved(const Key& key) {
  switch (key.kind) {
    case Key::Kind::kUp:
      Move(-1);
      return true;
    case Key::Kind::kDown:
      Move(1);
      return true;
    case Key::Kind::kPageUp:
      Move(-kPageRows);
      return true;
    case Key::Kind::kPageDown:
      Move(kPageRows);
      return true;
    case Key::Kind::kHome:
      Select(0);
      return true;
    case Key::Kind::kEnd:
      Select(SIZE_MAX);
      return true;
    default:
      return false;
  }
}

void Model::PressText(const std::string& text, Effect& effect) {
  if (std::exchange(going_, false)) {
    if (text == "o") Go(Page::kOverview);
    if (text == "q") Go(Page::kQueues);
    if (text == "w") Go(Page::kWorkers);
    if (text == "d") Go(Page::kDead);
    if (text == "g") Select(0);
    return;
  }
  if (text == "g") going_ = true;
  if (text == "G") Select(SIZE_MAX);
  if (text == "j") Move(1);
  if (text == "k") Move(-1);
  if (text == "q") Back(effect);
  if (text == "p") AskToPause();
  if (text == "/" && page() != Page::kQueue && page() != Page::kHelp) typing_ = true;
  if (text == "?" && page() != Page::kHelp) pages_.push_back(Page::kHelp);
  if (text == "s") SortBy(kSorts[(static_cast<size_t>(sort_) + 1) % kSorts.size()]);
  if (text == "r") {
    const auto* next = std::upper_bound(kIntervalsMs.begin(), kIntervalsMs.end(), interval_ms_);
    interval_ms_ = next == kIntervalsMs.end() ? kIntervalsMs.front() : *next;
  }
}

Model::Effect Model::Press(const Key& key) {
  said_.clear();
  if (asked_.has_value()) return Answer(key);
  Effect effect;
  if (typing_) {
    Type(key);
  } else if (key.kind == Key::Kind::kText) {
    PressText(key.text, effect);
  } else if (going_) {
    going_ = false;
  } else if (key.kind == Key::Kind::kEscape) {
    Back(effect);
  } else if (key.kind == Key::Kind::kEnter) {
    Open();
  } else {
    Moved(key);
  }
  return effect;
}

}  // namespace treadle::cli::top
