#include "client/cli/filter_words.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "proto/search/field.h"
#include "proto/search/lexis.h"
#include "proto/support/text.h"

namespace treadle::cli {
namespace {

// "-worker:", "-header.tenant~".
bool IsNegation(std::string_view arg) {
  if (arg.size() < 2 || arg[0] != '-' || arg[1] == '-') return false;
  arg.remove_prefix(1);
  const auto end = std::find_if(arg.begin(), arg.end(), search::EndsText);
  const std::string_view name = arg.substr(0, static_cast<size_t>(end - arg.begin()));
  const std::string_view header = search::InfoOf(search::Field::kHeader).name;
  return end != arg.end() &&
         (search::FieldNamed(name).has_value() || name.substr(0, header.size()) == header);
}

}  // namespace

absl::StatusOr<search::Filter> ParseFilter(const std::vector<std::string>& words) {
  absl::StatusOr<search::Filter> filter = search::Parse(absl::StrJoin(words, " "));
  if (filter.ok()) return filter;
  return absl::InvalidArgumentError(absl::StrCat("filter: ", filter.status().message()));
}

std::string FilterHelp() {
  std::string text =
      "A filter is of words, all of which must hold. A field has ':' for what it is (several "
      "values "
      "with commas between them; a '*' at the end for what begins so), '~' for what it contains, "
      "and '<', '<=', '>', '>=' for numbers, sizes and times. '-' before a word negates it, quotes "
      "keep spaces. Shells want '<', '>', '*' and '\"' in quotes of their own.\n"
      "\n"
      "Words of a filter:\n";
  for (const search::FieldInfo& info : search::AllFields()) {
    absl::StrAppend(&text, "  ", Absl(info.example), "\n      ", Absl(info.about), "\n");
  }
  absl::StrAppend(&text, "  sort:age, sort:-age\n      the oldest first, the newest first\n");
  return text;
}

void SetNegationsApart(std::vector<std::string>& args) {
  auto arg = std::find(args.begin(), args.end(), "list");
  for (; arg != args.end() && *arg != "--"; ++arg) {
    if (IsNegation(*arg)) arg->insert(0, 1, ' ');
  }
}

}  // namespace treadle::cli
