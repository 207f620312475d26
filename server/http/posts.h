#pragma once

#include <cstdint>
#include <httplib.h>

#include "absl/status/status.h"

namespace treadle::http {

// Who answers POST, of every path. Any thread, several at once.
class Posts {
 public:
  virtual ~Posts() = default;

  // Looks at a request before its body is read. False: `refusal` is the response, the body stays
  // unread, and the connection ends. Asked more than once for each request.
  virtual bool Admits(const httplib::Request& request, httplib::Response& refusal) const = 0;
  // The same for the server's own reasons.
  virtual void Refuse(const absl::Status& why, httplib::Response& refusal) const = 0;
  // The body has been read. May take its time, but not for ever.
  virtual void Answer(const httplib::Request& request, httplib::Response& response) = 0;
};

// Whether a request's body can be read: it says how long it is, has no more than so many bytes, and
// is not compressed. httplib itself would read one of unknown length until its client leaves, and
// unpack one without a bound.
absl::Status CheckBody(const httplib::Request& request, int64_t bytes_max);
// What Content-Length says. REQUIRES: CheckBody is OK.
int64_t BodyBytes(const httplib::Request& request);
// Whether something follows the headers.
bool HasBody(const httplib::Request& request);

}  // namespace treadle::http
