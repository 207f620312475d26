#include <ios>
#include <string>
#include <unistd.h>
#include <vector>

#include "client/cli/command_line.h"
#include "client/cli/exit_code.h"

#include "proto/program/signals.h"
#include "proto/wire/settings.h"

int main(int argc, char** argv) {
  treadle::wire::LookForNoDeadlocks();
  treadle::program::StopSignals signals;
  treadle::cli::Interrupt interrupt;
  signals.OnStop([&interrupt](int signal) {
    if (!interrupt.Fire(signal)) ::_exit(128 + signal);
  });
  // Read in blocks: nothing here reads standard input in another way.
  std::ios::sync_with_stdio(false);
  treadle::cli::Terminal terminal = treadle::cli::ProcessTerminal();
  return treadle::cli::RunCommandLine(std::vector<std::string>(argv + 1, argv + argc), terminal,
                                      interrupt);
}
