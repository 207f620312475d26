#include "proto/program/flags.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "proto/program/config_file.h"
#include "proto/program/help.h"
#include "proto/program/man.h"
#include "proto/program/usage.h"
#include "proto/support/address.h"
#include "proto/support/text.h"
#include "proto/support/units.h"

#ifndef TREADLE_VERSION
#error "TREADLE_VERSION comes from the build"
#endif

namespace treadle::program {
namespace {

// A flag whose text is read by `parse`, whose numbers must lie between two bounds, and are shown
// by `format`.
CLI::Option* AddNumber(CLI::App& app, const std::string& flag, int64_t& value, int64_t min,
                       int64_t max, const std::string& value_name, const std::string& help,
                       absl::StatusOr<int64_t> (*parse)(std::string_view),
                       std::string (*format)(int64_t)) {
  auto* option = app.add_option_function<std::string>(
      flag,
      [&value, min, max, parse, format, flag](const std::string& text) {
        const absl::StatusOr<int64_t> number = parse(text);
        if (!number.ok()) throw CLI::ValidationError(flag, std::string(number.status().message()));
        if (*number < min || *number > max) {
          throw CLI::ValidationError(flag, absl::StrCat("'", text, "' is out of bounds: from ",
                                                        format(min), " to ", format(max)));
        }
        value = *number;
      },
      absl::StrCat(help, " From ", format(min), " to ", format(max), "."));
  option->option_text(value_name)->default_str(format(value));
  option->run_callback_for_default(false);
  return option;
}

absl::StatusOr<int64_t> ParseCount(std::string_view text) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(Absl(text), &number)) {
    return absl::InvalidArgumentError(absl::StrCat("'", Absl(text), "' is not a whole number"));
  }
  return number;
}

std::string FormatCount(int64_t number) { return absl::StrCat(number); }

// Whether it is a flag, of this app or a command of it, that takes a value.
bool TakesValue(const CLI::App& app, const std::string& flag) {
  if (flag.size() < 2 || flag[0] != '-') return false;
  const CLI::Option* const option = app.get_option_no_throw(flag);
  if (option != nullptr) return option->get_items_expected_max() > 0;
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  return std::any_of(commands.begin(), commands.end(),
                     [&](const CLI::App* command) { return TakesValue(*command, flag); });
}

// The code to exit with.
int Print(const CLI::App& app, const std::string& text) {
  if (std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return 0;
  if (errno == EPIPE) return kExitReaderGone;
  std::fprintf(stderr, "%s: cannot write to standard output: is the disk full?\n",
               app.get_name().c_str());
  return EXIT_FAILURE;
}

}  // namespace

std::string Version() { return TREADLE_VERSION; }

std::unique_ptr<CLI::App> NewApp(const std::string& name, const std::string& description,
                                 const std::string& examples) {
  auto app = std::make_unique<CLI::App>(description, name);
  app->formatter(std::make_shared<HelpFormatter>());
  app->footer(examples);
  app->set_help_flag("-h,--help", "Prints this and exits.");
  app->set_version_flag("--version", absl::StrCat(name, " ", Version()),
                        "Prints the version and exits.");
  app->add_flag_callback("--man", [] { throw CallForMan(); })->group("")->configurable(false);
  app->get_help_ptr()->configurable(false);
  app->get_version_ptr()->configurable(false);
  return app;
}

void AddConfigFlag(CLI::App& app) {
  app.config_formatter(std::make_shared<ConfigFile>(app));
  app.set_config("--config", "",
                 "A file with flags, one 'name = value' a line. The command line wins.")
      ->option_text("FILE")
      ->configurable(false);
}

CLI::Option* AddText(CLI::App& app, const std::string& flag, std::string& value,
                     const std::string& value_name, const std::string& help) {
  return app.add_option(flag, value, help)->option_text(value_name)->capture_default_str();
}

CLI::Option* AddAddress(CLI::App& app, const std::string& flag, std::string& value, int port_min,
                        const std::string& help) {
  return AddText(app, flag, value, "HOST:PORT", help)->check([port_min](const std::string& text) {
    return std::string(ParseAddress(text, port_min).status().message());
  });
}

CLI::Option* AddAddressOrNone(CLI::App& app, const std::string& flag, std::string& value,
                              int port_min, const std::string& help) {
  return AddText(app, flag, value, "HOST:PORT", help)->check([port_min](const std::string& text) {
    return text.empty() ? "" : std::string(ParseAddress(text, port_min).status().message());
  });
}

CLI::Option* AddList(CLI::App& app, const std::string& flag, std::vector<std::string>& values,
                     const std::string& value_name, const std::string& help) {
  return app.add_option(flag, values, help)->option_text(value_name)->allow_extra_args(false);
}

CLI::Option* AddChoice(CLI::App& app, const std::string& flag, std::string& value,
                       const std::vector<std::string>& choices, const std::string& help) {
  const std::string listed = absl::StrJoin(choices, ", ");
  return app.add_option(flag, value, help)
      ->option_text(absl::StrJoin(choices, "|"))
      ->capture_default_str()
      ->check([choices, listed](const std::string& text) {
        for (const std::string& choice : choices) {
          if (choice == text) return std::string();
        }
        return absl::StrCat("'", text, "' is not one of ", listed);
      });
}

CLI::Option* AddSwitch(CLI::App& app, const std::string& flag, bool& value,
                       const std::string& help) {
  return app.add_flag(flag, value, help)->default_str(value ? "true" : "false");
}

CLI::Option* AddCount(CLI::App& app, const std::string& flag, int64_t& value, int64_t min,
                      int64_t max, const std::string& help) {
  return AddNumber(app, flag, value, min, max, "N", help, ParseCount, FormatCount);
}

CLI::Option* AddDuration(CLI::App& app, const std::string& flag, int64_t& value_ms, int64_t min_ms,
                         int64_t max_ms, const std::string& help) {
  return AddNumber(app, flag, value_ms, min_ms, max_ms, "DURATION", help, ParseDurationMs,
                   FormatDurationMs);
}

CLI::Option* AddSize(CLI::App& app, const std::string& flag, int64_t& value_bytes,
                     int64_t min_bytes, int64_t max_bytes, const std::string& help) {
  return AddNumber(app, flag, value_bytes, min_bytes, max_bytes, "SIZE", help, ParseSizeBytes,
                   FormatSizeBytes);
}

void ParseWords(CLI::App& app, const std::vector<std::string>& words) {
  std::vector<std::string> split;
  bool is_value = false;  // of the flag before it
  for (auto word = words.begin(); word != words.end(); ++word) {
    if (!is_value && *word == "--") {
      split.insert(split.end(), word, words.end());
      break;
    }
    const std::string name = word->substr(0, word->find('='));
    if (!is_value && name.size() + 1 == word->size() && TakesValue(app, name)) {
      split.insert(split.end(), {name, ""});
    } else {
      is_value = !is_value && TakesValue(app, *word);
      split.push_back(*word);
    }
  }
  std::reverse(split.begin(), split.end());  // as CLI11 takes them
  app.parse(std::move(split));
}

std::optional<int> Parse(CLI::App& app, int argc, const char* const* argv) {
  try {
    ParseWords(app, {argv + 1, argv + argc});
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    return Print(app, app.help());
  } catch (const CallForMan&) {
    return Print(app, ManPage(app));
  } catch (const CLI::CallForVersion& version) {
    return Print(app, absl::StrCat(version.what(), "\n"));
  } catch (const CLI::FileError&) {
    std::fprintf(stderr, "%s: --config: cannot read '%s': give the path of a readable file\n",
                 app.get_name().c_str(), app.get_config_ptr()->as<std::string>().c_str());
    return kExitUsage;
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "%s: %s\nSee %s --help.\n", app.get_name().c_str(),
                 Explain(app, error).c_str(), app.get_name().c_str());
    return kExitUsage;
  }
}

}  // namespace treadle::program
