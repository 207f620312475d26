#pragma once

// Precompiled for tests of what has no gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/pch.h"
