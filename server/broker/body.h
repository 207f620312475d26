#pragma once

#include <cstdint>
#include <string_view>

#include "server/broker/delivery.h"

namespace treadle::broker {

// What a body, a part of one, or a delivery with what it carries, holds in memory, near enough. The
// part's body is not null.
int64_t BytesOf(const Body& body);
int64_t BytesOf(const BodyPart& part);
int64_t BytesOf(const Delivery& delivery);

// {}: it is for no call.
engine::CallId CallOf(const Delivery& delivery);

// A part's bytes. REQUIRES: part.body is not null, and has them.
std::string_view BytesIn(const BodyPart& part);
// All of a body.
BodyPart AllOf(BodyPtr body);

// A lease's payload in those of its row.
BodyPart PayloadOf(const engine::Lease& lease, BodyPart row);

// Stands for "no bytes", so that a body is never null inside the broker.
const BodyPtr& EmptyBody();

}  // namespace treadle::broker
