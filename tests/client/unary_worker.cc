#include "tests/client/unary_worker.h"

#include <chrono>
#include <utility>

#include "proto/support/address.h"
#include "proto/wire/settings.h"
#include "treadle/task_error.h"

namespace treadle::test {
namespace {

// Short enough to notice the end of the test soon.
constexpr int64_t kWaitMs = 100;
constexpr auto kCallTimeout = std::chrono::seconds(5);

}  // namespace

UnaryWorker::UnaryWorker(const std::string& address, std::string queue, Handler handler)
    : stub_(v1::WorkerService::NewStub(wire::NewChannel(*ParseAddress(address)))),
      queue_(std::move(queue)),
      handler_(std::move(handler)),
      thread_([this] { Run(); }) {}

UnaryWorker::~UnaryWorker() {
  stopping_ = true;
  thread_.join();
}

void UnaryWorker::Run() {
  v1::LeaseRequest lease;
  lease.add_queues(queue_);
  lease.set_max_tasks(100);
  lease.set_wait_ms(kWaitMs);
  while (!stopping_) {
    grpc::ClientContext lease_context;
    lease_context.set_wait_for_ready(true);
    lease_context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
    v1::LeaseResponse leased;
    if (!stub_->Lease(&lease_context, lease, &leased).ok() || leased.tasks().empty()) continue;
    v1::CompleteRequest complete;
    for (const v1::LeasedTask& task : leased.tasks()) *complete.add_reports() = RunTask(task);
    grpc::Status status;
    do {
      grpc::ClientContext context;
      context.set_wait_for_ready(true);
      context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
      v1::CompleteResponse completed;
      status = stub_->Complete(&context, complete, &completed);
    } while (!status.ok() && !stopping_);
  }
}

v1::AttemptReport UnaryWorker::RunTask(const v1::LeasedTask& task) {
  v1::AttemptReport report;
  report.set_token(task.token());
  absl::StatusOr<Payload> result = handler_(task);
  if (result.ok()) {
    report.set_end(v1::ATTEMPT_END_SUCCEEDED);
    report.set_result(std::move(result->bytes));
    report.set_content_type(std::move(result->content_type));
  } else {
    report.set_end(v1::ATTEMPT_END_FAILED);
    report.mutable_error()->set_type(ErrorType(result.status().code()));
    report.mutable_error()->set_message(std::string(result.status().message()));
  }
  return report;
}

}  // namespace treadle::test
