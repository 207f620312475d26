#pragma once

#include "server/broker/delivery.h"
#include "server/engine/command.h"

namespace treadle::rpc {

// What makes two submits with one request key "the same content": type, payload, content type,
// headers in any order, and every option but durability and wait_if_full_ms, with the defaults
// filled in. Kept in the store with the key: what it covers, and in which order, must never change.
engine::ContentDigest DigestOf(const engine::TaskSpec& spec, const broker::Body* body);

}  // namespace treadle::rpc
