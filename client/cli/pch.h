#pragma once

// What nearly every file of the command line includes, and none of ours that changes often.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "proto/wire/pch.h"
