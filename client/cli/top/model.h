#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/console/key.h"
#include "client/cli/top/attention.h"
#include "client/cli/top/snapshot.h"
#include "client/cli/top/trends.h"

namespace treadle::cli::top {

enum class Page { kOverview, kQueues, kQueue, kWorkers, kDead, kHelp };

enum class Sort { kName, kQueued, kRunning, kRate, kAge, kFailed };
inline constexpr std::array<Sort, 6> kSorts = {Sort::kName, Sort::kQueued, Sort::kRunning,
                                               Sort::kRate, Sort::kAge,    Sort::kFailed};
// "name", "queued", ...
const char* SortName(Sort sort);

// What `treadle top` knows and where its user is in it: snapshots and keys come in, and drawing
// reads what to show. No clock, threads or terminal: `now_ms` is of a clock that never goes back.
class Model {
 public:
  Model(std::string broker, int64_t interval_ms)
      : broker_(std::move(broker)), interval_ms_(interval_ms) {}

  void Show(std::shared_ptr<const Snapshot> snapshot, int64_t now_ms);
  void SortBy(Sort sort);
  // The broker did not answer. What was shown stays.
  void Lose(std::string why) { lost_ = std::move(why); }
  // What became of an action: shown until the next key.
  void Say(std::string text) { said_ = std::move(text); }

  // What the key leads to, beyond what is shown.
  struct Effect {
    bool quit = false;
    std::optional<Action> action;
  };
  Effect Press(const Key& key);

  // What to ask the broker for, and how often.
  Detail detail() const;
  int64_t interval_ms() const { return interval_ms_; }

  const std::string& broker() const { return broker_; }
  // Null: nothing has come yet.
  const Snapshot* snapshot() const { return snapshot_.get(); }
  // For how long nothing has come, where that is longer than it should be. 0: all is fresh.
  int64_t StaleMs(int64_t now_ms) const;
  // Of a broker that is not reached, if it is known.
  const std::string& lost() const { return lost_; }
  const std::vector<Attention>& attention() const { return attention_; }
  const Trends& trends() const { return trends_; }

  Page page() const { return pages_.back(); }
  Sort sort() const { return sort_; }
  const std::string& filter() const { return filter_; }
  // The filter is being typed.
  bool typing() const { return typing_; }
  // To be answered with y or n. Empty: nothing is asked.
  std::string Question() const;
  const std::string& said() const { return said_; }

  // Of the snapshot, those that the filter takes, in the order in which they are shown. The groups
  // are those of the page: of all queues, or of the one that is open.
  const std::vector<const v1::Queue*>& queues() const { return queues_; }
  const std::vector<const v1::Worker*>& workers() const { return workers_; }
  const std::vector<const v1::DeadLetterGroup*>& groups() const { return groups_; }
  // Which row of the page's list; 0 where it has none.
  size_t selected() const { return selected_; }
  // The queue that is open. Null: it is not there (any more).
  const v1::Queue* opened() const;
  const std::string& opened_name() const { return opened_; }
  // What is shown of it beside itself has come.
  bool opened_is_known() const;

 private:
  void Arrange();
  void ArrangeQueues();
  void ArrangeWorkers();
  void ArrangeGroups();
  std::vector<std::string> Names() const;
  void Select(size_t row);
  void Move(int64_t rows);
  void Go(Page page);
  void Back(Effect& effect);
  void Open();
  void AskToPause();
  void Type(const Key& key);
  Effect Answer(const Key& key);
  void PressText(const std::string& text, Effect& effect);
  bool Moved(const Key& key);

  const std::string broker_;
  int64_t interval_ms_;

  std::shared_ptr<const Snapshot> snapshot_;
  int64_t shown_at_ms_ = 0;
  std::string lost_;
  Trends trends_;
  std::vector<Attention> attention_;

  std::vector<Page> pages_ = {Page::kOverview};  // the last one is shown, Escape goes back
  std::string opened_;
  Sort sort_ = Sort::kQueued;
  std::string filter_;
  bool typing_ = false;
  bool going_ = false;  // after g
  std::optional<Action> asked_;
  std::string said_;

  std::vector<const v1::Queue*> queues_;
  std::vector<const v1::Worker*> workers_;
  std::vector<const v1::DeadLetterGroup*> groups_;
  // The row follows what it stands for, wherever that is sorted to.
  size_t selected_ = 0;
  std::string selected_name_;
};

}  // namespace treadle::cli::top
