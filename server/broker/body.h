#pragma once

#include <cstdint>

#include "server/broker/delivery.h"

namespace treadle::broker {

// What a body, or a delivery with what it carries, holds in memory, near enough.
int64_t BytesOf(const Body& body);
int64_t BytesOf(const Delivery& delivery);

// {}: it is for no call.
engine::CallId CallOf(const Delivery& delivery);

// Stands for "no bytes", so that a body is never null inside the broker.
const BodyPtr& EmptyBody();

}  // namespace treadle::broker
