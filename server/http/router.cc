#include "server/http/router.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "server/http/server.h"

namespace treadle::http {
namespace {

constexpr int kMethodNotAllowed = 405;
constexpr int kUriTooLong = 414;
// A page's path has a name of 255 bytes in it at most. httplib matches those of POST with
// std::regex, which recurses for each byte.
constexpr size_t kPathBytesMax = 1'024;

// Whether an Accept-Encoding takes gzip.
bool TakesGzip(const std::string& accepted) {
  for (const absl::string_view one : absl::StrSplit(accepted, ',')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(one, ';');
    const absl::string_view coding = absl::StripAsciiWhitespace(parts[0]);
    if (coding != "gzip" && coding != "*") continue;
    if (parts.size() == 1) return true;
    absl::string_view weight = absl::StripAsciiWhitespace(parts[1]);
    double q = 0;
    return absl::ConsumePrefix(&weight, "q=") && absl::SimpleAtod(weight, &q) && q > 0;
  }
  return false;
}

// Leaves out what httplib would do too much work for: Brotli, at its slowest; the same bytes again
// for each of a thousand ranges. A response may ignore both.
void Simplify(httplib::Request& request) {
  request.ranges.clear();
  const bool takes_gzip = TakesGzip(request.get_header_value("Accept-Encoding"));
  request.headers.erase("Accept-Encoding");
  if (takes_gzip) request.headers.emplace("Accept-Encoding", "gzip");
}

}  // namespace

Router::Router(int64_t body_bytes_max) : body_bytes_max_(body_bytes_max) {
  // httplib writes no content by and by when it seems to be about to end, as without a socket.
  svr_sock_ = 0;
  set_payload_max_length(static_cast<size_t>(body_bytes_max));
  set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
    if (!Refuses(request, response)) {
      if (request.method == "POST") return HandlerResponse::Unhandled;  // its body comes first
      AnswerGet(request, response);
    }
    return HandlerResponse::Handled;
  });
  set_expect_100_continue_handler(
      [this](const httplib::Request& request, httplib::Response& response) {
        return Refuses(request, response) ? response.status : 100;
      });
  // httplib counts the bytes of an error's text when it has such a handler.
  set_error_handler(HandlerWithResponse(
      [](const httplib::Request&, httplib::Response&) { return HandlerResponse::Handled; }));
}

void Router::Post(Posts& posts) {
  posts_ = &posts;
  httplib::Server::Post(".*",
                        [&posts](const httplib::Request& request, httplib::Response& response) {
                          posts.Answer(request, response);
                        });
}

void Router::AnswerGet(const httplib::Request& request, httplib::Response& response) const {
  const auto found = by_path_.find(request.path);
  if (found != by_path_.end()) return found->second(request, response);
  if (others_) return others_(request, response);
  response.status = kNotFound;
}

bool Router::Refuses(const httplib::Request& request, httplib::Response& response) const {
  if (request.path.size() > kPathBytesMax) {
    response.status = kUriTooLong;
    return true;
  }
  if (request.method == "GET" || request.method == "HEAD") return false;
  if (request.method == "POST" && posts_ != nullptr) {
    const absl::Status body = CheckBody(request, body_bytes_max_);
    if (body.ok()) return !posts_->Admits(request, response);
    posts_->Refuse(body, response);
    return true;
  }
  response.status = request.method == "POST" ? kNotFound : kMethodNotAllowed;
  response.set_header("Allow", posts_ == nullptr ? "GET, HEAD" : "GET, HEAD, POST");
  return true;
}

bool Router::Serve(Connection& connection, bool is_last) {
  bool closes = false;
  bool was_parsed = false;
  bool leaves_body = false;
  const bool served = process_request(connection, is_last, closes, [&](httplib::Request& request) {
    was_parsed = true;
    Simplify(request);
    httplib::Response refusal;
    if (request.method == "POST" && !Refuses(request, refusal)) {
      connection.ExpectBody(BodyBytes(request));
    } else {
      // It would be taken for the next request.
      leaves_body = HasBody(request);
    }
  });
  if (leaves_body) connection.Linger();
  return served && was_parsed && !leaves_body && !closes && !is_last;
}

}  // namespace treadle::http
