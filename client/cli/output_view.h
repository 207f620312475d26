#pragma once

#include <cstdint>
#include <string>

#include "client/cli/context.h"

#include "treadle/output.h"

namespace treadle::cli {

// With the fields of OutputRun and OutputEntry (treadle/v1/output.proto).
Json ToJson(const OutputEntry& entry);

// Writes what a task says, as it comes: the entries to standard output, what there is to know about
// them to standard error. On a terminal control characters become escapes, and a carriage return
// begins a new line; elsewhere text is written byte for byte.
class OutputPrinter {
 public:
  OutputPrinter(const Context& context, bool timestamps, uint64_t from_offset);

  // Another result than kOk: it could not be written; stop.
  ExitCode Add(OutputEntry entry);
  // After the last one: on a terminal the prompt starts on a line of its own.
  ExitCode Finish();

 private:
  // On standard error: a new attempt, and what is missing before the entry.
  ExitCode TellChanges(const OutputEntry& entry);
  // These give what is to be written.
  std::string TextOf(const OutputEntry& entry);
  // A program's standard error may go on in the line that it began, and leave one open.
  std::string Lines(const OutputEntry& entry, std::string text);
  // A line, or a part of one; at its beginning with what stands before it.
  std::string Piece(const OutputEntry& entry, const std::string& line) const;
  // Ends the line that is open.
  std::string Close();

  const Context& context_;
  const bool timestamps_;
  const bool on_terminal_;
  const bool coloured_;
  uint64_t next_offset_;
  OutputEntry last_;  // without its data; attempt 0: there is none
  bool open_line_ = false;
  std::string begun_;  // of the open line, the first bytes of a character
};

}  // namespace treadle::cli
