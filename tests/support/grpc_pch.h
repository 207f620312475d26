#pragma once

// Precompiled for tests of what speaks gRPC.
#include "proto/wire/pch.h"
#include "tests/support/pch.h"
