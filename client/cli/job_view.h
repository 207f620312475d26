#pragma once

#include "absl/status/statusor.h"
#include "client/cli/view.h"

#include "treadle/v1/job_service.pb.h"

namespace treadle::cli {

extern const View<v1::Job> kJobView;

// Shows how far the job is until it has ended: as it then is, or, at Ctrl-C, as it was seen last.
absl::StatusOr<v1::Job> AwaitJob(Context& context, Client& client, const v1::Job& job);

// Shows how far the job is until it has ended, and then what has become of it. Ctrl-C: it goes on,
// and that is said.
ExitCode FollowJob(Context& context, Client& client, const v1::Job& job);

}  // namespace treadle::cli
