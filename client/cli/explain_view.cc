#include "client/cli/explain_view.h"

#include <algorithm>
#include <string>

#include "client/cli/console/human.h"
#include "client/cli/outcome.h"
#include <fmt/format.h>
#include <google/protobuf/repeated_ptr_field.h>

namespace treadle::cli {
namespace {

using Reasons = google::protobuf::RepeatedPtrField<v1::TaskReason>;

// Behind the sentence: when it comes to an end.
std::string EndOf(const v1::TaskReason& reason) {
  switch (reason.end()) {
    case v1::REASON_END_BY_ITSELF:
      return fmt::format("; until {}, {} from now", HumanTime(reason.until_at_ms()),
                         HumanTimeLeft(reason.until_at_ms()));
    case v1::REASON_END_ABOUT:
      return fmt::format("; for about {} more", HumanTimeLeft(reason.until_at_ms()));
    case v1::REASON_END_BY_OPERATOR:
      return "; until somebody does something about it";
    default:
      return "";
  }
}

void AddReasons(const Reasons& reasons, bool with_since, Sheet& sheet) {
  const char* name = "why";
  for (const v1::TaskReason& reason : reasons) {
    std::string text = Printable(reason.text());
    if (with_since) {
      const std::string age = HumanAge(reason.since_at_ms());
      text += reason.reason() == v1::REASON_ENDED ? fmt::format(", {} ago", age)
                                                  : fmt::format(", for {} now", age);
    }
    sheet.Add(name, text + EndOf(reason));
    sheet.Add("  what to do", reason.advice());
    name = "also";
  }
}

const char* TimeWords(v1::Reason reason) {
  switch (reason) {
    case v1::REASON_HELD:
      return "held by a worker";
    case v1::REASON_RUNS:
      return "running";
    case v1::REASON_NO_ROOM:
      return "queue full";
    case v1::REASON_DELAYED:
      return "delayed";
    case v1::REASON_BACKS_OFF:
      return "backing off";
    case v1::REASON_PAUSED:
      return "queue paused";
    case v1::REASON_CIRCUIT_OPEN:
      return "circuit open";
    case v1::REASON_NO_WORKER:
      return "no worker";
    case v1::REASON_NO_HANDLER:
      return "no handler";
    case v1::REASON_SLOTS_BUSY:
      return "slots busy";
    default:
      return "not known";
  }
}

// Where the task's age went: "4m10s queue paused, 12s running".
std::string LostWords(const google::protobuf::RepeatedPtrField<v1::LostTime>& lost) {
  std::string words;
  for (const v1::LostTime& one : lost) {
    words += fmt::format("{}{} {}", words.empty() ? "" : ", ", HumanDuration(one.ms()),
                         TimeWords(one.reason()));
  }
  return words;
}

std::string ExplanationOf(const v1::ExplainTaskResponse& response, const Context& context) {
  const v1::Task& task = response.task();
  Sheet sheet;
  sheet.Add("id", task.task_id());
  sheet.Add("queue", task.queue());
  sheet.Add("type", task.type());
  sheet.Add("state", task.state() == v1::TASK_STATE_UNSPECIFIED ? "waits for room in its queue"
                                                                : StateWords(task));
  AddReasons(response.reasons(), /*with_since=*/true, sheet);
  sheet.Add("time", LostWords(response.lost()));
  if (task.deadline_at_ms() != 0 && task.finished_at_ms() == 0) {
    sheet.Add("deadline", HumanTime(task.deadline_at_ms()));
  }
  return context.Render(sheet);
}

const char* WouldRun(const Reasons& reasons) {
  if (!reasons.empty() && reasons[0].reason() == v1::REASON_NEXT) return "at once";
  const bool for_ever = std::any_of(reasons.begin(), reasons.end(), [](const auto& reason) {
    return reason.end() == v1::REASON_END_BY_OPERATOR;
  });
  return for_ever ? "never, as things are" : "later";
}

std::string ForecastOf(const v1::ExplainSubmitResponse& response, const Context& context) {
  Sheet sheet;
  sheet.Add("submitted", "no: a dry run");
  sheet.Add("would run", WouldRun(response.reasons()));
  AddReasons(response.reasons(), /*with_since=*/false, sheet);
  return context.Render(sheet);
}

}  // namespace

const View<v1::ExplainTaskResponse> kExplanationView = {
    {},
    [](const v1::ExplainTaskResponse& response) { return response.task().task_id(); },
    [](const v1::ExplainTaskResponse& response, const Context& context) {
      return ExplanationOf(response, context);
    }};

const View<v1::ExplainSubmitResponse> kForecastView = {
    {},
    [](const v1::ExplainSubmitResponse& response) {
      return response.reasons().empty() ? "" : ReasonName(response.reasons(0).reason());
    },
    [](const v1::ExplainSubmitResponse& response, const Context& context) {
      return ForecastOf(response, context);
    }};

}  // namespace treadle::cli
