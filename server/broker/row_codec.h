#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "server/broker/delivery.h"
#include "server/broker/row_key.h"
#include "server/engine/row.h"
#include "server/store/store.h"

namespace treadle::broker {

// A stored value: the store's expiry prefix (server/store/expiry.h), then the row's message of
// treadle/storage/v1/rows.proto.

// Turns rows into keys and values. Keeps its message objects, so that a row costs no allocation.
// One thread.
class RowEncoder {
 public:
  RowEncoder();
  ~RowEncoder();
  RowEncoder(const RowEncoder&) = delete;
  RowEncoder& operator=(const RowEncoder&) = delete;

  // Appends the change to `batch`. A row's payload or body is copied straight into the value. A
  // FinishedRow deletes its TaskRow, too.
  void Encode(const engine::RowChange& change, store::WriteBatch& batch);

 private:
  struct Messages;
  std::unique_ptr<Messages> messages_;
  std::string key_;  // scratch
};

// Turns keys and values into rows again. Rows decoded by one decoder share equal names and retry
// policies: use one for a whole recovery. One thread.
class RowDecoder {
 public:
  RowDecoder();
  ~RowDecoder();
  RowDecoder(const RowDecoder&) = delete;
  RowDecoder& operator=(const RowDecoder&) = delete;

  // DATA_LOSS, naming the row: it is damaged. `body`, when not null, gets the payload or result
  // that is stored with a TaskRow, DeadTaskRow or FinishedRow; absent when there is none. Without
  // it, stored bodies are not even copied.
  absl::StatusOr<engine::Row> Decode(std::string_view key, std::string_view value,
                                     std::optional<Body>* body = nullptr);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace treadle::broker
