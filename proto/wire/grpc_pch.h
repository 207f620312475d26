#pragma once

// Precompiled for the generated code.
#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>
