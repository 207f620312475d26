#pragma once

#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"

#include "server/http/server.h"

namespace treadle::http {

// One of the dashboard's files, as it is built into the program. A name that ends in ".gz" is of
// one that is compressed by gzip.
struct PageFile {
  std::string_view name;  // "index.html", "app.js.gz"
  std::string_view bytes;
};

// The dashboard's files, to be had under "/": index.html for the path of every page, since the
// dashboard looks at the path itself, and each other one under its own name.
//
// They come from this server alone and are told to take nothing from elsewhere, not to be shown
// within another site's page, and to say to nobody where they are (Content-Security-Policy, ...).
// Browsers keep them, and ask each time whether they are still the same (ETag).
class Pages {
 public:
  struct Told {
    std::string version;
    bool actions = false;  // whether there are buttons for what changes something
  };

  // No files: "/" says in a line what else there is.
  Pages(absl::Span<const PageFile> files, const Told& told);

  // All paths that have no handler of their own. The pages outlive the server.
  void ServeOn(Server& server);

 private:
  struct Page {
    std::string content_type;
    std::string bytes;
    std::string etag;
    bool is_gzip = false;
  };

  void Add(const PageFile& file, const Told& told);
  void Answer(const httplib::Request& request, httplib::Response& response) const;
  static void Write(const Page& page, const httplib::Request& request, httplib::Response& response);

  absl::flat_hash_map<std::string, Page> by_name_;  // "app.js"
};

}  // namespace treadle::http
