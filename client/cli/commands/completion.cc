#include <memory>
#include <string>

#include "client/cli/context.h"
#include <CLI/CLI.hpp>

#include "proto/program/flags.h"

namespace treadle::cli {
namespace {

constexpr char kBash[] = R"(# treadle's completion for bash: source <(treadle completion bash)
_treadle() {
  local line="${COMP_LINE:0:COMP_POINT}" current="${COMP_WORDS[COMP_CWORD]}" word prefix words
  local -
  set -f
  local IFS=$' \t\n'
  words=($line)
  [[ $line == *[[:space:]] ]] && words+=("")
  # Bash breaks words at = and : as well, and completes what stands behind.
  [[ $current == [=:] ]] && current=""
  prefix="${words[-1]%"$current"}"
  COMPREPLY=()
  while IFS=$'\t' read -r word _; do
    if [[ $word == :files ]]; then
      compopt -o default 2> /dev/null
    else
      # A filter's field goes on behind its operator.
      [[ $word == *[:.\>] ]] && compopt -o nospace 2> /dev/null
      word="${word#"$prefix"}"
      COMPREPLY+=("${word//>/\\>}")
    fi
  done < <("${words[0]}" __complete "${words[@]:1}" 2> /dev/null)
}
complete -F _treadle treadle
)";

constexpr char kZsh[] = R"(#compdef treadle
# treadle's completion for zsh: source <(treadle completion zsh), or a file _treadle in $fpath
_treadle() {
  local line word shown
  local -a found begun
  for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2> /dev/null)}"; do
    if [[ $line == :files ]]; then
      _files
    elif [[ -n $line ]]; then
      word="${line%%$'\t'*}"
      shown="${word//:/\\:}"
      [[ $line == *$'\t'* ]] && shown+=":${line#*$'\t'}"
      # A filter's field goes on behind its operator.
      if [[ $word == *[:.\>] ]]; then
        begun+=("$shown")
      else
        found+=("$shown")
      fi
    fi
  done
  (( $#found )) && _describe treadle found
  (( $#begun )) && _describe treadle begun -S ''
}
if [[ "$funcstack[1]" == _treadle ]]; then
  _treadle "$@"
else
  compdef _treadle treadle
fi
)";

constexpr char kFish[] = R"(# treadle's completion for fish: treadle completion fish | source
function __treadle_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] "$current" 2> /dev/null)
        if test "$line" = ":files"
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c treadle -f -a '(__treadle_complete)'
)";

}  // namespace

void AddCompletionCommand(CLI::App& root, Command& chosen) {
  auto shell = std::make_shared<std::string>();
  CLI::App& command = AddSubcommand(
      root, "completion", "Prints a script that makes a shell complete treadle's command lines.",
      "Names of queues, workers, tasks and contexts are completed, too.\n"
      "\n"
      "Examples:\n"
      "  source <(treadle completion bash)     # in ~/.bashrc\n"
      "  source <(treadle completion zsh)      # in ~/.zshrc, behind compinit\n"
      "  treadle completion fish | source      # in ~/.config/fish/config.fish\n");
  program::AddChoice(command, "SHELL", *shell, {"bash", "zsh", "fish"}, "For which shell.")
      ->required();
  command.callback([&chosen, shell] {
    chosen = [shell](Context& context) {
      return context.Write(*shell == "bash" ? kBash : *shell == "zsh" ? kZsh : kFish);
    };
  });
}

}  // namespace treadle::cli
