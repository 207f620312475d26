#include "proto/program/help.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace treadle::program {
namespace {

constexpr size_t kColumns = 96;
constexpr char kIndent[] = "      ";

}  // namespace

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string text = absl::StrCat("  ", option->get_name(is_positional, !is_positional));
  if (!option->get_option_text().empty()) absl::StrAppend(&text, " ", option->get_option_text());
  absl::StrAppend(&text, "\n");

  std::string words = option->get_description();
  if (option->get_required()) {
    absl::StrAppend(&words, " Required.");
  } else if (!option->get_default_str().empty()) {
    absl::StrAppend(&words, " Default: ", option->get_default_str(), ".");
  }
  size_t column = kColumns;
  for (const absl::string_view word : absl::StrSplit(words, ' ', absl::SkipEmpty())) {
    if (column + 1 + word.size() > kColumns) {
      if (column != kColumns || text.back() != '\n') absl::StrAppend(&text, "\n");
      absl::StrAppend(&text, kIndent, word);
      column = sizeof(kIndent) - 1 + word.size();
    } else {
      absl::StrAppend(&text, " ", word);
      column += 1 + word.size();
    }
  }
  return text + "\n";
}

}  // namespace treadle::program
