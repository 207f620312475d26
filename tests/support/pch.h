#pragma once

// Precompiled for tests of what has no gRPC.
#include "proto/support/pch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
