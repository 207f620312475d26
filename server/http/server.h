#pragma once

#include <functional>
#include <httplib.h>
#include <memory>
#include <string>

#include "absl/status/status.h"

#include "server/http/options.h"
#include "server/http/posts.h"

namespace treadle::http {

inline constexpr int kOk = 200;
inline constexpr int kNotFound = 404;
inline constexpr int kUnavailable = 503;

// An HTTP port: accepts connections and serves each on a thread of its own, up to a bound. Beyond
// it a connection that rests between two requests gives way to a new one, the longest first; when
// none rests, the new one is told that the server is busy (503).
//
// httplib reads requests, finds their handlers and writes their responses; it does not accept,
// because it knows neither bounds nor deadlines of whole requests (see Connection).
class Server {
 public:
  // Called on the connection's thread, several at once; may take its time, but not for ever: Stop
  // waits for it. Of the request's headers Accept-Encoding is "gzip" or not there; what is set as
  // the response's content is compressed accordingly.
  using Handler = std::function<void(const httplib::Request&, httplib::Response&)>;

  explicit Server(Options options);
  // Stops.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // GET and HEAD of this path. Before Start.
  void Get(const std::string& path, Handler handler);
  // GET and HEAD of all other paths. Before Start, once.
  void GetOthers(Handler handler);
  // POST. `posts` outlives the server. Before Start, once.
  void Post(Posts& posts);

  // Listens on Options::listen. Once. An error says what is wrong with the address.
  absl::Status Start();
  // Where it listens, after Start, with the port that was chosen for port 0.
  std::string address() const;
  int port() const;
  // Open at present. Any thread.
  int64_t connections() const;

  // Accepts no more, lets requests that were read be answered, and ends the connections. More than
  // once is fine, one after the other.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treadle::http
