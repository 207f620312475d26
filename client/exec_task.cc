#include "treadle/exec_task.h"

#include <string_view>
#include <utility>

#include "proto/task/exec_task.h"

namespace treadle {

absl::StatusOr<std::string> PutProgram(const std::vector<std::string>& argv,
                                       SubmitOptions& options) {
  absl::StatusOr<std::string> type = exec::TypeOf(argv.empty() ? std::string_view() : argv.front());
  if (!type.ok() || argv.size() == 1) return type;
  absl::StatusOr<std::string> header = exec::EncodeArguments({argv.begin() + 1, argv.end()});
  if (!header.ok()) return header.status();
  options.headers[std::string(exec::kArgumentsHeader)] = *std::move(header);
  return type;
}

Future<Bytes> SubmitExec(const Executor& executor, const std::vector<std::string>& argv,
                         std::string standard_input, SubmitOptions options) {
  const absl::StatusOr<std::string> type = PutProgram(argv, options);
  if (!type.ok()) return Future<Bytes>(client::EndedState(type.status()));
  const Future<Payload> run =
      executor.SubmitRaw(options, *type, Payload(std::move(standard_input), kBytesContentType));
  return Future<Bytes>(run.state());
}

Future<Bytes> SubmitExec(const Executor& executor, const std::vector<std::string>& argv,
                         std::string standard_input) {
  return SubmitExec(executor, argv, std::move(standard_input), executor.options().submit);
}

}  // namespace treadle
