#pragma once

#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

namespace treadle::program {

// Reads config files (see flags.h) in CLI11's place, whose own reader passes over what it does not
// understand. Gives each value to its option itself, so that every error names file and line.
class ConfigFile final : public CLI::Config {
 public:
  explicit ConfigFile(CLI::App& app) : app_(app) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;
  std::string to_config(const CLI::App* app, bool default_also, bool write_description,
                        std::string prefix) const override;

 private:
  CLI::App& app_;
};

}  // namespace treadle::program
