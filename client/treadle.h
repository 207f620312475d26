#pragma once

// All that a program which submits work needs.
#include "client/client.h"
#include "client/codec.h"
#include "client/executor.h"
#include "client/future.h"
#include "client/submit_options.h"
#include "client/task_error.h"
#include "client/task_type.h"
#include "client/wait.h"
