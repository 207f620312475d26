# The libraries that the broker stands on besides, and so treadle::testing. Read by this tree and by
# find_package(treadle COMPONENTS testing).
find_package(spdlog REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(TREADLE_PC_XXHASH REQUIRED IMPORTED_TARGET libxxhash)
