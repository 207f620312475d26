#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "proto/search/filter.h"
#include "proto/search/lexis.h"
#include "proto/support/nearest.h"
#include "proto/support/text.h"
#include "proto/support/units.h"
#include "proto/support/utf8.h"

// The grammar:
//
//   filter = { space } [ word { spaces word } ] ;
//   word   = [ "-" ] ( text | field operator value { "," value } ) | "sort:" [ "-" ] "age" ;
//   field  = name | "header." ( name | quoted ) ;
//   value  = ( bare | quoted ) [ "*" ] | "*" ;

namespace treadle::search {
namespace {

constexpr size_t kShownBytes = 40;
constexpr int64_t kExactMax = int64_t{1} << 53;

std::string Shown(std::string_view text) {
  return absl::StrCat("'", CutMiddle(text, kShownBytes), "'");
}

std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& names) {
  const std::string_view nearest = Nearest(word.substr(0, kShownBytes), names);
  return nearest.empty() ? "" : absl::StrCat(": did you mean '", Absl(nearest), "'?");
}

// "a, b or c".
std::string OneOf(const std::vector<std::string_view>& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : i + 1 == names.size() ? " or " : ", ", Absl(names[i]));
  }
  return text;
}

std::vector<std::string_view> FieldNames() {
  std::vector<std::string_view> names;
  for (const FieldInfo& info : AllFields()) {
    if (info.field != Field::kText) names.push_back(info.name);
  }
  names.push_back("sort");
  return names;
}

// What may stand behind a field.
std::vector<Operator> OperatorsOf(Kind kind) {
  using enum Operator;
  switch (kind) {
    case Kind::kText:
      return {kEquals, kContains};
    case Kind::kChoice:
      return {kEquals};
    case Kind::kNumber:
    case Kind::kSize:
      return {kEquals, kLess, kAtMost, kMore, kAtLeast};
    case Kind::kDuration:
      return {kLess, kAtMost, kMore, kAtLeast};
  }
  return {};
}

bool Takes(Kind kind, Operator op) {
  for (const Operator one : OperatorsOf(kind)) {
    if (one == op) return true;
  }
  return false;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<Filter> Run() {
    if (text_.size() > kFilterBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("has ", text_.size(), " bytes; at most ", kFilterBytesMax, " are possible"));
    }
    if (!IsUtf8(text_)) return absl::InvalidArgumentError("is not UTF-8");
    Filter filter;
    for (size_t words = 0;; ++words) {
      while (!done() && IsSpace(peek())) ++at_;
      if (done()) return filter;
      if (words == kWordsMax) {
        return Wrong(at_, absl::StrCat("a word too many: at most ", kWordsMax, " are possible"));
      }
      if (absl::Status s = Word(filter); !s.ok()) return s;
    }
  }

 private:
  bool done() const { return at_ == text_.size(); }
  char peek() const { return text_[at_]; }
  bool TakeIf(char c) {
    if (done() || peek() != c) return false;
    ++at_;
    return true;
  }
  std::string_view TakeUntil(bool (*ends)(char)) {
    const size_t begin = at_;
    while (!done() && !ends(peek())) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  // Counted in characters, from 1, as a person would.
  absl::Status Wrong(size_t at, absl::string_view what) const {
    size_t character = 1;
    for (size_t i = 0; i < at; ++character) i += Utf8Length(text_.substr(i));
    return absl::InvalidArgumentError(absl::StrCat("character ", character, ": ", what));
  }

  absl::Status Word(Filter& filter) {
    Condition condition;
    const size_t begin = at_;
    condition.negated = TakeIf('-');
    const size_t name_at = at_;
    const bool quoted = !done() && peek() == '"';
    absl::StatusOr<std::string> name =
        quoted ? Quoted() : absl::StatusOr<std::string>(std::string(TakeUntil(EndsText)));
    if (!name.ok()) return name.status();
    if (done() || IsSpace(peek())) return Text(std::move(condition), name_at, *name, filter);
    if (quoted) return Wrong(at_, "expected a space behind the quotes");
    if (peek() == '*') {
      return Wrong(at_,
                   "a '*' may end the value of a field; a word by itself is looked for "
                   "anywhere in id, type and error: leave it out, or write the word in quotes");
    }
    if (*name == "sort") return Sort(begin, filter);
    if (absl::Status s = TakeField(name_at, *name, condition); !s.ok()) return s;
    if (absl::Status s = TakeOperator(condition); !s.ok()) return s;
    if (absl::Status s = TakeValues(condition); !s.ok()) return s;
    filter.conditions.push_back(std::move(condition));
    return absl::OkStatus();
  }

  absl::Status Text(Condition condition, size_t at, std::string text, Filter& filter) {
    if (text.empty()) {
      return Wrong(at, "expected a word: a field such as queue:mail, or a text to look for");
    }
    condition.values.push_back(Value{.text = std::move(text)});
    filter.conditions.push_back(std::move(condition));
    return absl::OkStatus();
  }

  absl::Status Sort(size_t begin, Filter& filter) {
    if (text_[begin] == '-') return Wrong(begin, "sort cannot be negated; write sort:-age");
    const size_t at = at_ + 1;
    const std::string_view order =
        TakeIf(':') ? TakeUntil([](char c) { return IsSpace(c); }) : std::string_view();
    if (order != "age" && order != "-age") {
      return Wrong(at - 1, "expected sort:age, the oldest first, or sort:-age, the newest first");
    }
    if (filter.order != Order::kAny) return Wrong(begin, "a second sort; leave one of them out");
    filter.order = order == "age" ? Order::kOldestFirst : Order::kNewestFirst;
    return absl::OkStatus();
  }

  absl::Status TakeField(size_t at, const std::string& name, Condition& condition) {
    const std::string_view header = InfoOf(Field::kHeader).name;
    if (name.substr(0, header.size()) == header) {
      condition.field = Field::kHeader;
      condition.header = name.substr(header.size());
      if (condition.header.empty() && !done() && peek() == '"') {
        absl::StatusOr<std::string> quoted = Quoted();
        if (!quoted.ok()) return quoted.status();
        condition.header = *std::move(quoted);
      }
      if (!condition.header.empty()) return absl::OkStatus();
      return Wrong(at + header.size(), "expected a header's name, as in header.tenant:acme");
    }
    const std::optional<Field> field = FieldNamed(name);
    if (!field.has_value()) {
      if (name.empty()) return Wrong(at, "expected a field before the operator, such as queue");
      std::string meant = DidYouMean(name, FieldNames());
      if (meant.empty()) {
        meant = "; to look for a text that has ':', '~', '<', '>' or '=', write it in quotes";
      }
      return Wrong(at, absl::StrCat("unknown field ", Shown(name), meant));
    }
    condition.field = *field;
    return absl::OkStatus();
  }

  absl::Status TakeOperator(Condition& condition) {
    const FieldInfo& info = InfoOf(condition.field);
    const size_t at = at_;
    if (TakeIf(':')) {
      condition.op = Operator::kEquals;
    } else if (TakeIf('~')) {
      condition.op = Operator::kContains;
    } else if (TakeIf('<')) {
      condition.op = TakeIf('=') ? Operator::kAtMost : Operator::kLess;
    } else if (TakeIf('>')) {
      condition.op = TakeIf('=') ? Operator::kAtLeast : Operator::kMore;
    } else {
      return Wrong(at, absl::StrCat("expected one of ", Expected(info), " behind the field"));
    }
    const bool compares =  // "age:>5m", as others write it
        condition.op == Operator::kEquals && !done() &&
        (peek() == '<' || peek() == '>' || peek() == '=');
    if (Takes(info.kind, condition.op) && !compares) return absl::OkStatus();
    return Wrong(at, absl::StrCat(NameOf(condition), " takes ", Expected(info), ", as in ",
                                  Absl(info.example)));
  }

  static std::string NameOf(const Condition& condition) {
    return absl::StrCat(Absl(InfoOf(condition.field).name), condition.header);
  }
  static std::string Expected(const FieldInfo& info) {
    std::vector<std::string_view> signs;
    for (const Operator op : OperatorsOf(info.kind)) signs.push_back(Sign(op));
    return OneOf(signs);
  }

  absl::Status TakeValues(Condition& condition) {
    const bool several = condition.op == Operator::kEquals || condition.op == Operator::kContains;
    size_t count = 0;
    do {
      const size_t at = at_;
      if (!several && count == 1) return Wrong(at - 1, "a comparison has one value");
      if (count++ == kValuesMax) {
        return Wrong(at, absl::StrCat("a value too many: at most ", kValuesMax, " are possible"));
      }
      if (absl::Status s = TakeValue(at, condition); !s.ok()) return s;
    } while (TakeIf(','));
    if (done() || IsSpace(peek())) return absl::OkStatus();
    return Wrong(at_, "expected a space or a comma behind the value");
  }

  absl::Status TakeValue(size_t at, Condition& condition) {
    const bool quoted = !done() && peek() == '"';
    absl::StatusOr<std::string> text =
        quoted ? Quoted() : absl::StatusOr<std::string>(std::string(TakeUntil(EndsValue)));
    if (!text.ok()) return text.status();
    const FieldInfo& info = InfoOf(condition.field);
    Value value;
    value.prefix = !done() && peek() == '*';
    if (value.prefix) {
      if (info.kind != Kind::kText || condition.op != Operator::kEquals) {
        return Wrong(at_, "a '*' may end a text behind ':' only");
      }
      ++at_;
    }
    if (text->empty() && !value.prefix && (!quoted || condition.op == Operator::kContains)) {
      return Wrong(at, absl::StrCat("expected a value, as in ", Absl(info.example)));
    }
    switch (info.kind) {
      case Kind::kText:
        value.text = *std::move(text);
        condition.values.push_back(std::move(value));
        return absl::OkStatus();
      case Kind::kChoice:
        return AddChoice(at, info, *text, condition);
      case Kind::kNumber:
      case Kind::kSize:
      case Kind::kDuration:
        break;
    }
    const absl::StatusOr<int64_t> number = Number(info.kind, *text);
    if (!number.ok()) return Wrong(at, number.status().message());
    value.number = *number;
    condition.values.push_back(std::move(value));
    return absl::OkStatus();
  }

  absl::Status AddChoice(size_t at, const FieldInfo& info, const std::string& choice,
                         Condition& condition) const {
    const std::vector<std::string_view> choices = ChoicesOf(info.field);
    for (const std::string_view one : choices) {
      if (one != choice) continue;
      for (const std::string_view name : Meaning(info.field, one)) {
        Value value{.text = std::string(name)};
        const std::vector<Value>& known = condition.values;
        if (std::find(known.begin(), known.end(), value) != known.end()) continue;
        condition.values.push_back(std::move(value));
      }
      return absl::OkStatus();
    }
    std::string meant = DidYouMean(choice, choices);
    if (meant.empty()) meant = absl::StrCat(": use ", OneOf(choices));
    return Wrong(at, absl::StrCat(Shown(choice), " is no value of ", Absl(info.name), meant));
  }

  static absl::StatusOr<int64_t> Number(Kind kind, const std::string& text) {
    if (kind != Kind::kNumber) {
      absl::StatusOr<int64_t> read =
          kind == Kind::kSize ? ParseSizeBytes(text) : ParseDurationMs(text);
      // Units are reckoned in floating point, which beyond that is not exact.
      if (!read.ok() || *read <= kExactMax) return read;
      return absl::InvalidArgumentError(absl::StrCat(Shown(text), " is too large"));
    }
    int64_t number = 0;
    if (absl::SimpleAtoi(text, &number)) return number;
    return absl::InvalidArgumentError(absl::StrCat(Shown(text), " is not a whole number"));
  }

  // Takes a text in quotes.
  absl::StatusOr<std::string> Quoted() {
    const size_t begin = at_++;
    std::string text;
    while (!done()) {
      const char c = text_[at_++];
      if (c == '"') return text;
      if (c == '\\') {
        if (done() || (peek() != '"' && peek() != '\\')) {
          return Wrong(at_ - 1, "in quotes a backslash is written \\\\, and a quote \\\"");
        }
        text += text_[at_++];
        continue;
      }
      text += c;
    }
    return Wrong(begin, "the quotes are not closed");
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<Filter> Parse(std::string_view text) { return Parser(text).Run(); }

}  // namespace treadle::search
