#include "proto/search/complete.h"

#include "absl/strings/str_cat.h"

#include "proto/search/lexis.h"
#include "proto/support/text.h"

namespace treadle::search {
namespace {

// The operator that is wanted most.
std::string_view FirstSign(Kind kind) {
  switch (kind) {
    case Kind::kText:
    case Kind::kChoice:
      return ":";
    case Kind::kNumber:
    case Kind::kSize:
    case Kind::kDuration:
      return ">";
  }
  return "";
}

}  // namespace

Completion Complete(std::string_view word) {
  Completion completion;
  const std::string minus = !word.empty() && word.front() == '-' ? "-" : "";
  std::string_view name = word.substr(minus.size());
  size_t end = 0;
  while (end < name.size() && !EndsText(name[end])) ++end;
  if (end == name.size()) {
    for (const FieldInfo& info : AllFields()) {
      if (info.field == Field::kText) continue;
      const std::string_view sign = info.field == Field::kHeader ? "" : FirstSign(info.kind);
      completion.suggestions.push_back(
          {absl::StrCat(minus, Absl(info.name), Absl(sign)), std::string(info.about)});
    }
    if (minus.empty()) {
      completion.suggestions.push_back({"sort:age", "the oldest first"});
      completion.suggestions.push_back({"sort:-age", "the newest first"});
    }
    return completion;
  }
  if (name[end] != ':') return completion;
  name = name.substr(0, end);
  if (name == "sort" && minus.empty()) {
    completion.suggestions = {{"sort:age", "the oldest first"}, {"sort:-age", "the newest first"}};
    return completion;
  }
  const std::optional<Field> field = FieldNamed(name);
  if (!field.has_value()) return completion;
  completion.before = word.substr(0, word.find_last_of(":,") + 1);
  for (const std::string_view choice : ChoicesOf(*field)) {
    completion.suggestions.push_back({absl::StrCat(completion.before, Absl(choice)), ""});
  }
  if (*field == Field::kQueue || *field == Field::kType || *field == Field::kWorker) {
    completion.names_of = field;
  }
  return completion;
}

}  // namespace treadle::search
