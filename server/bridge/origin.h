#pragma once

#include <httplib.h>
#include <string>

#include "absl/status/status.h"

namespace treadle::bridge {

// Whether a call may come from where it comes from, when that is a browser: nobody has logged in
// here, so a page of another site that somebody looks at could do as that person may.
//
// - Another site's page can have its browser send a form, or text, but not application/json, which
//   needs leave that is never given (CORS); so nothing else is taken.
// - A browser says whose page asks: Sec-Fetch-Site, to loopback and over TLS, and Origin. Both must
//   be this server's own, where they are said.
// - A name of the other site's may lead to 127.0.0.1 meanwhile (DNS rebinding), so that its page is
//   of the same origin. Who listens on loopback is called by loopback's own names.
//
// PERMISSION_DENIED says what is wrong, and what to do.
absl::Status CheckOrigin(const httplib::Request& request, bool is_loopback);

// Whether a host's name or address is loopback: "localhost", "127.0.0.1", "::1", "[::1]".
bool IsLoopback(const std::string& host);

}  // namespace treadle::bridge
