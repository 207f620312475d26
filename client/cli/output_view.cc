#include "client/cli/output_view.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/cli/console/colour.h"
#include "client/cli/console/human.h"
#include <fmt/format.h>

#include "proto/support/utf8.h"
#include "treadle/v1/output.pb.h"

namespace treadle::cli {
namespace {

constexpr size_t kUtf8BytesMax = 4;

// Text for people, rather than an encoding that happens to be UTF-8.
bool IsText(const std::string& data) {
  return IsUtf8(data) && std::none_of(data.begin(), data.end(), [](char c) {
           return static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\r' && c != '\t';
         });
}

// Where the character begins that `text` ends in the middle of; its size if it does not.
size_t BegunCharacter(const std::string& text) {
  const size_t first = text.size() - std::min(text.size(), kUtf8BytesMax - 1);
  for (size_t at = text.size(); at-- > first;) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;  // not a first byte
    const size_t bytes = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return text.size() - at < bytes ? at : text.size();
  }
  return text.size();
}

// A line, with its tabs.
std::string PrintableLine(const std::string& line) {
  std::vector<std::string> pieces = absl::StrSplit(line, '\t');
  for (std::string& piece : pieces) piece = Printable(piece);
  return absl::StrJoin(pieces, "\t");
}

}  // namespace

Json ToJson(const OutputEntry& entry) {
  v1::OutputEntry message;
  message.set_kind(static_cast<v1::OutputKind>(entry.kind));
  message.set_time_ms(entry.time_ms);
  message.set_data(entry.data);
  message.set_content_type(entry.content_type);
  Json json;
  json["offset"] = entry.offset;
  json["attempt"] = entry.attempt;
  json["superseded"] = entry.superseded;
  json.update(ToJson(message));
  return json;
}

OutputPrinter::OutputPrinter(const Context& context, bool timestamps, uint64_t from_offset)
    : context_(context),
      timestamps_(timestamps),
      on_terminal_(context.terminal.out_columns() > 0),
      coloured_(context.coloured()),
      next_offset_(from_offset) {}

ExitCode OutputPrinter::Add(OutputEntry entry) {
  if (!context_.table()) return context_.Print(ToJson(entry));
  const ExitCode told = TellChanges(entry);
  if (told != ExitCode::kOk) return told;
  const std::string text = TextOf(entry);
  next_offset_ = entry.offset + 1;
  last_ = std::move(entry);
  last_.data.clear();
  return context_.Print(text);
}

ExitCode OutputPrinter::Finish() { return on_terminal_ ? context_.Print(Close()) : ExitCode::kOk; }

ExitCode OutputPrinter::TellChanges(const OutputEntry& entry) {
  std::vector<std::string> changes;
  if (entry.offset > next_offset_) {
    changes.push_back(fmt::format("entries that were not kept: {}", entry.offset - next_offset_));
  }
  if (entry.attempt != last_.attempt || entry.superseded != last_.superseded) {
    std::string attempt = fmt::format("attempt {}", entry.attempt);
    if (entry.superseded) {
      attempt += ", superseded by a later one";
    } else if (last_.attempt != 0 && !last_.superseded) {
      attempt += fmt::format("; what attempt {} said does not count any more", last_.attempt);
    }
    changes.push_back(std::move(attempt));
  }
  if (changes.empty()) return ExitCode::kOk;
  const ExitCode closed = context_.Print(Close());
  for (const std::string& change : changes) context_.terminal.Complain(change);
  return closed;
}

std::string OutputPrinter::TextOf(const OutputEntry& entry) {
  const bool encoded = entry.kind == OutputKind::kPart || entry.kind == OutputKind::kUnknown;
  if (!encoded || IsText(entry.data)) return Lines(entry, entry.data);
  const std::string size = HumanBytes(static_cast<int64_t>(entry.data.size()));
  return Lines(entry, entry.content_type.empty()
                          ? fmt::format("[{}]", size)
                          : fmt::format("[{} of {}]", size, entry.content_type));
}

std::string OutputPrinter::Lines(const OutputEntry& entry, std::string text) {
  const bool raw = entry.kind == OutputKind::kStandardError;
  std::string out;
  if (!raw || last_.kind != entry.kind || last_.attempt != entry.attempt) out = Close();
  if (on_terminal_) {
    text = absl::StrReplaceAll(std::exchange(begun_, {}) + text, {{"\r\n", "\n"}, {"\r", "\n"}});
    if (raw) begun_ = text.substr(BegunCharacter(text));
    text.resize(text.size() - begun_.size());
  }
  if (!raw && !absl::EndsWith(text, "\n")) text += '\n';
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out += Piece(entry, text.substr(at, end - at));
    open_line_ = end == text.size();
    if (!open_line_) out += '\n';
    at = end + 1;
  }
  return out;
}

std::string OutputPrinter::Piece(const OutputEntry& entry, const std::string& line) const {
  std::string text;
  if (!open_line_) {
    if (timestamps_) text += HumanTime(entry.time_ms) + " ";
    if (entry.superseded) text += fmt::format("[attempt {}] ", entry.attempt);
    if (entry.kind == OutputKind::kNotice) text += "[notice] ";
  }
  text += on_terminal_ ? PrintableLine(line) : line;
  if (!coloured_ || text.empty()) return text;
  if (entry.superseded) return Paint(Style::kDim, text);
  return entry.kind == OutputKind::kNotice ? Paint(Style::kYellow, text) : text;
}

std::string OutputPrinter::Close() {
  std::string out;
  if (!begun_.empty()) {
    out = Piece(last_, std::exchange(begun_, {}));
    open_line_ = true;
  }
  if (std::exchange(open_line_, false)) out += '\n';
  return out;
}

}  // namespace treadle::cli
