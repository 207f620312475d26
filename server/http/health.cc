#include "server/http/health.h"

#include <cstdint>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"

namespace treadle::http {
namespace {

void Answer(const Health& health, httplib::Response& response) {
  response.status = health.is_well ? kOk : kUnavailable;
  response.set_content(absl::StrCat(health.sentence, "\n"), "text/plain; charset=utf-8");
}

}  // namespace

Health Liveness(Subject& subject, Visits& visits) {
  if (subject.phase() != Phase::kServes || visits.Make(subject.broker(), [](const auto&) {})) {
    return {true, "ok"};
  }
  if (subject.phase() != Phase::kServes) return {true, "ok"};  // it has begun to stop meanwhile
  return {false, absl::StrCat("the broker's loop has not answered for ",
                              Visits::kLimitMs / limits::kSecondMs,
                              " s: look at its processor, its memory and its log")};
}

Health Readiness(Subject& subject, Visits& visits) {
  switch (subject.phase()) {
    case Phase::kStarts:
      return {false, "not ready: the broker reads its store, and serves when it has"};
    case Phase::kStops:
      return {false, "not ready: the broker stops"};
    case Phase::kServes:
      break;
  }
  if (const int64_t hung_ms = subject.edge().disk_hung_ms; hung_ms > 0) {
    return {false, absl::StrCat("not ready: the broker's disk has not answered for ",
                                hung_ms / limits::kSecondMs,
                                " s: look at the device of the data directory")};
  }
  const Health alive = Liveness(subject, visits);
  if (!alive.is_well) return {false, absl::StrCat("not ready: ", alive.sentence)};
  return {true, "ready"};
}

void ServeHealth(Server& server, Subject& subject, Visits& visits) {
  server.Get("/healthz", [&](const httplib::Request&, httplib::Response& response) {
    Answer(Liveness(subject, visits), response);
  });
  server.Get("/readyz", [&](const httplib::Request&, httplib::Response& response) {
    Answer(Readiness(subject, visits), response);
  });
}

}  // namespace treadle::http
