#pragma once

#include <string>

#include "server/http/server.h"
#include "server/http/subject.h"
#include "server/http/visits.h"

namespace treadle::http {

struct Health {
  bool is_well = true;
  std::string sentence;  // for a person
};

// Whether the process is alive, its loop too when it serves. Who asks starts it anew otherwise.
Health Liveness(Subject& subject, Visits& visits);
// Whether it can do its work now: it serves, and its disk answers.
Health Readiness(Subject& subject, Visits& visits);

// /healthz and /readyz: 200 or 503, and the sentence. Both outlive the server.
void ServeHealth(Server& server, Subject& subject, Visits& visits);

}  // namespace treadle::http
