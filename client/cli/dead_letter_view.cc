#include "client/cli/dead_letter_view.h"

#include <string>

#include "client/cli/console/human.h"
#include "client/cli/task_view.h"
#include <fmt/format.h>

namespace treadle::cli {
namespace {

std::string LetterSheet(const v1::DeadLetter& letter, const Context& context) {
  Sheet sheet = SheetOf(letter.task());
  sheet.Add("group", letter.group());
  return context.Render(sheet);
}

std::string GroupSheet(const v1::DeadLetterGroup& group, const Context& context) {
  Sheet sheet;
  sheet.Add("queue", group.queue());
  sheet.Add("group", group.group());
  sheet.Add("type", group.type());
  sheet.Add("error", fmt::format("{}: {}", group.error_type(), Shortened(group.error_message())));
  sheet.Add("tasks", fmt::format("{}, {}", group.count(), HumanBytes(group.bytes())));
  sheet.Add("first", HumanTimeAndAge(group.first_at_ms()));
  sheet.Add("last", HumanTimeAndAge(group.last_at_ms()));
  sheet.Add("  of it", group.last_task_id());
  return context.Render(sheet);
}

// What is in a group that takes what found no other differs.
std::string GroupType(const v1::DeadLetterGroup& group) {
  return group.type().empty() ? "(several)" : group.type();
}

std::string GroupError(const v1::DeadLetterGroup& group) {
  if (group.type().empty()) return "(several)";
  v1::TaskError error;
  error.set_type(group.error_type());
  error.set_message(group.error_message());
  return ErrorCell(error);
}

}  // namespace

const View<v1::DeadLetter> kDeadLetterView = {
    {{{"ID"}, [](const v1::DeadLetter& l) { return l.task().task_id(); }},
     {{"QUEUE"}, [](const v1::DeadLetter& l) { return l.task().queue(); }, true},
     {{"TYPE"}, [](const v1::DeadLetter& l) { return l.task().type(); }},
     {{"FAILED", kRight},
      [](const v1::DeadLetter& l) { return HumanAge(l.task().finished_at_ms()) + " ago"; }},
     {{"ATTEMPTS", kRight},
      [](const v1::DeadLetter& l) {
        return fmt::format("{}/{}", l.task().attempts(), l.task().max_attempts());
      }},
     {{"PAYLOAD", kRight},
      [](const v1::DeadLetter& l) {
        return HumanBytes(static_cast<int64_t>(l.task().payload_bytes()));
      },
      true},
     {{"WORKER"}, [](const v1::DeadLetter& l) { return l.task().worker(); }, true},
     {{"GROUP"}, [](const v1::DeadLetter& l) { return l.group(); }, true},
     {{"ERROR"}, [](const v1::DeadLetter& l) { return ErrorCell(l.task().last_error()); }}},
    [](const v1::DeadLetter& l) { return l.task().task_id(); },
    [](const v1::DeadLetter& l, const Context& context) { return LetterSheet(l, context); }};

const View<v1::DeadLetterGroup> kDeadLetterGroupView = {
    {{{"GROUP"}, [](const v1::DeadLetterGroup& g) { return g.group(); }},
     {{"QUEUE"}, [](const v1::DeadLetterGroup& g) { return g.queue(); }},
     {{"TYPE"}, GroupType},
     {{"TASKS", kRight}, [](const v1::DeadLetterGroup& g) { return std::to_string(g.count()); }},
     {{"BYTES", kRight}, [](const v1::DeadLetterGroup& g) { return HumanBytes(g.bytes()); }, true},
     {{"FIRST", kRight},
      [](const v1::DeadLetterGroup& g) { return HumanAge(g.first_at_ms()) + " ago"; },
      true},
     {{"LAST", kRight},
      [](const v1::DeadLetterGroup& g) { return HumanAge(g.last_at_ms()) + " ago"; }},
     {{"ERROR"}, GroupError}},
    [](const v1::DeadLetterGroup& g) { return g.group(); },
    [](const v1::DeadLetterGroup& g, const Context& context) { return GroupSheet(g, context); }};

}  // namespace treadle::cli
