#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace treadle::program {

// Help texts: each flag on a line of its own, what it does wrapped below it, its default at the
// end.
class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
};

}  // namespace treadle::program
