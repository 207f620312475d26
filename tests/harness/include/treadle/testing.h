#pragma once

// Tests of handlers and of what submits to them, without a server: see tests/harness/README.md.

#include "treadle/testing/call.h"
#include "treadle/testing/local_broker.h"
#include "treadle/testing/local_worker.h"
