#pragma once

#include <cstdint>
#include <httplib.h>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"

#include "server/http/connection.h"
#include "server/http/posts.h"

namespace treadle::http {

// httplib's server without its sockets and threads: reads one request from a connection, has its
// handler called, and writes the response. Handlers are added first; then any thread.
class Router final : private httplib::Server {
 public:
  explicit Router(int64_t body_bytes_max);

  using Handler = httplib::Server::Handler;

  // See Server.
  void Get(const std::string& path, Handler handler) { by_path_[path] = std::move(handler); }
  void GetOthers(Handler handler) { others_ = std::move(handler); }
  void Post(Posts& posts);

  // One request and its response. False: the connection is to be closed.
  bool Serve(Connection& connection, bool is_last);

 private:
  // What can be said of a request before its body is read. True: `response` says why it is not
  // served.
  bool Refuses(const httplib::Request& request, httplib::Response& response) const;
  void AnswerGet(const httplib::Request& request, httplib::Response& response) const;

  const int64_t body_bytes_max_;
  absl::flat_hash_map<std::string, Handler> by_path_;
  Handler others_;
  Posts* posts_ = nullptr;
};

}  // namespace treadle::http
