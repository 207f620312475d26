#pragma once

#include <string>
#include <vector>

#include "treadle/v1/admin_service.pb.h"
#include "treadle/v1/dead_letter_service.pb.h"
#include "treadle/v1/explain.pb.h"
#include "treadle/v1/queue_service.pb.h"

namespace treadle::cli::top {

// What a page shows beside what every page needs.
struct Detail {
  // The queue that is open: its oldest tasks, and its dead-letter groups. Empty: none is.
  std::string queue;
  // The dead-letter groups of all queues.
  bool groups = false;

  bool operator==(const Detail&) const = default;
};

// All that was asked of the broker in one poll.
struct Snapshot {
  v1::ServerInfo server;
  std::vector<v1::Queue> queues;  // by name
  std::vector<v1::Worker> workers;
  Detail detail;
  std::vector<v1::DeadLetterGroup> groups;  // the largest, and at most one page of them
  bool more_groups = false;
  std::vector<v1::ExplainTaskResponse> oldest;
  // The broker lists all tasks by age, and looks at so many at a time: there may be others.
  bool more_oldest = false;
};

// What an operator asks for with a key.
struct Action {
  std::string queue;
  bool pause = false;  // false: resume
};

}  // namespace treadle::cli::top
