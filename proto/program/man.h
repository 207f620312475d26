#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace treadle::program {

// A manual page (roff, section 1) of a program and all its commands, from what makes its help.
std::string ManPage(const CLI::App& app);

}  // namespace treadle::program
