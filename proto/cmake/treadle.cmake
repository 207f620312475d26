# How this tree builds: warnings, sanitizers, precompiled headers, one function for each kind of
# target.

# Flags of our own code. Generated code gets the sanitizers and the include paths, not the warnings.
add_library(treadle_flags INTERFACE)
target_include_directories(treadle_flags INTERFACE ${PROJECT_SOURCE_DIR})
if(TREADLE_SANITIZE)
  target_compile_options(treadle_flags INTERFACE -fsanitize=${TREADLE_SANITIZE}
                         -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(treadle_flags INTERFACE -fsanitize=${TREADLE_SANITIZE})
  if(TREADLE_SANITIZE MATCHES thread)
    # Asio's fences, which the sanitizer does not know, are not needed where there are mutexes.
    target_compile_definitions(treadle_flags INTERFACE ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()
# ccache can only reuse what was compiled against a precompiled header when the compiler says so.
target_compile_options(treadle_flags INTERFACE -fpch-preprocess -Winvalid-pch)

set(TREADLE_WARNINGS -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor
    -Woverloaded-virtual -Wno-missing-field-initializers)

# treadle_precompile(NAME HEADER): a precompiled header that others reuse. Its own compilation must
# not meet its predecessor, which -fpch-preprocess would show to ccache in place of what changed.
function(treadle_precompile name header)
  target_precompile_headers(${name} PRIVATE ${header})
  set_source_files_properties(
    ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/${name}.dir/cmake_pch.hxx.cxx
    PROPERTIES COMPILE_OPTIONS -fno-pch-preprocess)
endfunction()

# Every target reuses one of four precompiled headers: with or without gRPC, with or without
# GoogleTest. What a file includes it names all the same: tests/tidy/clang_tidy.sh builds without.
function(treadle_reuse_headers name is_grpc plain grpc)
  set(of ${plain})
  if(is_grpc)
    set(of ${grpc})
  endif()
  if(NOT name STREQUAL of)  # that one has its own
    target_precompile_headers(${name} REUSE_FROM ${of})
  endif()
endfunction()

# treadle_library(NAME SOURCES... LINK... [GRPC]): one folder, one static library. GRPC: its files
# include gRPC or the API's generated code.
function(treadle_library name)
  cmake_parse_arguments(ARG "GRPC" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${TREADLE_WARNINGS})
  target_link_libraries(${name} PUBLIC treadle_flags ${ARG_LINK})
  treadle_reuse_headers(${name} ${ARG_GRPC} treadle_support treadle_wire)
endfunction()

# treadle_binary(NAME SOURCES... LINK... [GRPC])
function(treadle_binary name)
  cmake_parse_arguments(ARG "GRPC" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${TREADLE_WARNINGS})
  target_link_libraries(${name} PRIVATE treadle_flags ${ARG_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  treadle_reuse_headers(${name} ${ARG_GRPC} treadle_support treadle_wire)
endfunction()

# treadle_test(NAME SOURCES... LINK... [GRPC] [TIMEOUT seconds] [LABELS...]): a GoogleTest binary,
# one ctest test for each of its cases.
function(treadle_test name)
  cmake_parse_arguments(ARG "GRPC" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${TREADLE_WARNINGS})
  target_link_libraries(${name} PRIVATE treadle_flags ${ARG_LINK} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  treadle_reuse_headers(${name} ${ARG_GRPC} treadle_test_headers treadle_grpc_test_headers)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
                       PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()
