#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/context.h"

#include "proto/support/limits.h"

namespace treadle::cli {

// How one kind of thing is shown. JSON and CSV need nothing of it: they have every field.
template <typename T>
struct View {
  struct Column {
    Table::Column head;
    std::function<std::string(const T&)> cell;
    bool wide = false;  // only with --output wide
  };
  std::vector<Column> columns;
  std::function<std::string(const T&)> name;
  // One of them alone, for people.
  std::function<std::string(const T&, const Context&)> sheet;
};

// The columns of a table, and a row of it.
template <typename T>
std::vector<Table::Column> HeadsOf(const View<T>& view, bool wide) {
  std::vector<Table::Column> heads;
  for (const auto& column : view.columns) {
    if (wide || !column.wide) heads.push_back(column.head);
  }
  return heads;
}
template <typename T>
std::vector<std::string> CellsOf(const View<T>& view, const T& thing, bool wide) {
  std::vector<std::string> cells;
  for (const auto& column : view.columns) {
    if (wide || !column.wide) cells.push_back(column.cell(thing));
  }
  return cells;
}

// CSV's header and its lines, from rows that all have the same fields.
std::string CsvHeader(const Fields& fields);
std::string CsvRow(const Fields& fields);

// What is no message of the API, counts say, in a form of --output that is no table.
ExitCode PrintObject(const Context& context, const Json& object);
// It has no name. `what`: as CheckOutput has it.
absl::Status CheckObjectOutput(const Context& context, const std::string& what);

// Prints one thing in the form of --output. `follows`: another was printed before it.
template <typename T>
ExitCode PrintOne(const Context& context, const View<T>& view, const T& thing,
                  bool follows = false) {
  if (context.table()) {
    const std::string sheet = view.sheet(thing, context);
    const bool apart = follows && sheet.find('\n') + 1 < sheet.size();  // of several lines
    return context.Print((apart ? "\n" : "") + sheet);
  }
  if (context.output == "json") return context.Print(Document(ToJson(thing)));
  if (context.output == "jsonl") return context.Print(Line(ToJson(thing)));
  if (context.output == "name") return context.Print(view.name(thing) + "\n");
  const Fields fields = ToFields(thing);
  return context.Print((follows ? "" : CsvHeader(fields)) + CsvRow(fields));
}

// One call for each id: StatusOr<T> Call(id). All are tried; the first error decides the exit code.
template <typename T, typename Call>
ExitCode PrintEach(const Context& context, const std::vector<std::string>& ids, const View<T>& view,
                   Call call) {
  ExitCode first = ExitCode::kOk;
  bool follows = false;
  for (const std::string& id : ids) {
    const absl::StatusOr<T> found = call(id);
    const ExitCode code = found.ok() ? PrintOne(context, view, *found, std::exchange(follows, true))
                                     : context.FailCall(found.status());
    if (code == ExitCode::kReaderGone) return code;
    if (first == ExitCode::kOk) first = code;
  }
  return first;
}

// What a table does not say, for people: below it with --watch, otherwise on standard error.
ExitCode PrintNote(const Context& context, const std::string& note);
// "these are the first 100; --limit shows more".
std::string FirstOnes(size_t count);

// Prints many, in the form of --output: a table at the end, all else as it comes.
template <typename T>
class Listing {
 public:
  Listing(const Context& context, const View<T>& view)
      : context_(context), view_(view), table_(HeadsOf(view, context.output == "wide")) {}

  // Another result than kOk: it could not be written; stop.
  ExitCode Add(const T& thing) {
    const bool first = count_++ == 0;
    if (context_.table()) {
      table_.Add(CellsOf(view_, thing, context_.output == "wide"));
    } else if (context_.output == "json") {
      std::string line = Line(ToJson(thing));
      line.pop_back();
      text_ += (first ? "[\n" : ",\n") + line;
    } else if (context_.output == "jsonl") {
      text_ += Line(ToJson(thing));
    } else if (context_.output == "csv") {
      const Fields fields = ToFields(thing);
      text_ += (first ? CsvHeader(fields) : "") + CsvRow(fields);
    } else if (context_.output == "name") {
      text_ += view_.name(thing) + "\n";
    }
    return text_.size() < kBlockBytes ? ExitCode::kOk : Flush();
  }

  size_t count() const { return count_; }

  ExitCode Finish() {
    if (context_.table()) return count_ == 0 ? ExitCode::kOk : context_.Print(table_);
    if (context_.output == "json") text_ += count_ == 0 ? "[]\n" : "\n]\n";
    if (context_.output == "csv" && count_ == 0) text_ += CsvHeader(ToFields(T()));
    return Flush();
  }

 private:
  static constexpr size_t kBlockBytes = 64 * 1024;

  ExitCode Flush() { return context_.Print(std::exchange(text_, {})); }

  const Context& context_;
  const View<T>& view_;
  Table table_;
  std::string text_;  // not yet printed
  size_t count_ = 0;
};

// The pages of a list, until `limit` things were printed. `next`: asks for a page; `things`: of it.
template <typename T, typename Request, typename Next, typename Things>
ExitCode PrintPages(const Context& context, const View<T>& view, Request request, int64_t limit,
                    const std::string& none, Next next, Things things) {
  Listing<T> listing(context, view);
  bool more = true;
  while (more) {
    const auto left = limit - static_cast<int64_t>(listing.count());
    request.set_page_size(static_cast<int32_t>(std::min<int64_t>(limits::kPageSizeMax, left)));
    const auto page = next(request);
    if (!page.ok()) return context.FailCall(page.status());
    for (const T& thing : things(*page)) {
      if (const ExitCode code = listing.Add(thing); code != ExitCode::kOk) return code;
    }
    request.set_page_token(page->next_page_token());
    more = !request.page_token().empty();
    if (static_cast<int64_t>(listing.count()) >= limit) break;
  }
  const ExitCode printed = listing.Finish();
  if (!context.table() || printed != ExitCode::kOk) return printed;
  if (listing.count() == 0) return PrintNote(context, none);
  return more ? PrintNote(context, FirstOnes(listing.count())) : printed;
}

}  // namespace treadle::cli
