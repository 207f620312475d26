# The libraries that Treadle's own stand on. Read by this tree and by find_package(treadle).

find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(nlohmann_json REQUIRED)
# By their own configs where a system ships them; Debian 12 does so for gRPC, not for protobuf.
find_package(Protobuf CONFIG QUIET)
if(NOT Protobuf_FOUND)
  find_package(Protobuf REQUIRED)
endif()

if(NOT DEFINED TREADLE_GRPC OR TREADLE_GRPC)
  find_package(gRPC CONFIG QUIET)
  if(NOT TARGET treadle::grpc)
    add_library(treadle::grpc INTERFACE IMPORTED)
    if(TARGET gRPC::grpc++)
      target_link_libraries(treadle::grpc INTERFACE gRPC::grpc++)
    else()
      find_package(PkgConfig REQUIRED)
      pkg_check_modules(TREADLE_PC_GRPC REQUIRED IMPORTED_TARGET grpc++)
      target_link_libraries(treadle::grpc INTERFACE PkgConfig::TREADLE_PC_GRPC)
    endif()
  endif()
endif()
