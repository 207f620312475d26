#pragma once

#include <functional>
#include <istream>
#include <ostream>
#include <string>

namespace treadle::cli {

// Where a command reads and writes. Tests put strings in their place.
struct Terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  // Columns, now; 0: that stream is not a terminal.
  std::function<int()> out_columns = [] { return 0; };
  std::function<int()> err_columns = [] { return 0; };
  // Lines that fit on it, now.
  std::function<int()> out_rows = [] { return 0; };
  // Somebody can answer a question: standard input and error are terminals.
  std::function<bool()> can_ask = [] { return false; };

  // "treadle: MESSAGE" on its own line of `err`.
  void Complain(const std::string& message) { err << "treadle: " << message << std::endl; }
};

// Standard input, output and error of this process.
Terminal ProcessTerminal();

}  // namespace treadle::cli
