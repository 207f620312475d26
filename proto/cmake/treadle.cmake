# How this tree builds: warnings, sanitizers, precompiled headers, one function for each kind of
# target. All of it is private to the target: who links a library of Treadle's gets its headers, and
# what it links itself.

set(TREADLE_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
    -Wno-missing-field-initializers)
if(TREADLE_WERROR)
  list(APPEND TREADLE_WARNINGS -Werror)
endif()

# treadle_compile(NAME): what all code here is compiled with, generated code too.
function(treadle_compile name)
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  if(TREADLE_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=${TREADLE_SANITIZE} -fno-omit-frame-pointer
                           -fno-sanitize-recover=all)
    target_link_options(${name} PRIVATE -fsanitize=${TREADLE_SANITIZE})
    if(TREADLE_SANITIZE MATCHES thread)
      # Asio's fences, which the sanitizer does not know, are not needed where there are mutexes.
      target_compile_definitions(${name} PRIVATE ASIO_DISABLE_FENCED_BLOCK)
    endif()
  endif()
  if(TREADLE_PCH)
    # ccache can only reuse what was compiled against a precompiled header when the compiler says
    # so, or when the header's time is not in it.
    target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess;-Winvalid-pch>
                           $<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>)
  endif()
endfunction()

# treadle_own(NAME): what code of our own is compiled with.
function(treadle_own name)
  treadle_compile(${name})
  target_compile_options(${name} PRIVATE ${TREADLE_WARNINGS})
endfunction()

# treadle_precompile(NAME HEADER): a precompiled header that others reuse. Its own compilation must
# not meet its predecessor, which -fpch-preprocess would show to ccache in place of what changed.
function(treadle_precompile name header)
  if(NOT TREADLE_PCH)
    return()
  endif()
  target_precompile_headers(${name} PRIVATE ${header})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    set_source_files_properties(
      ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/${name}.dir/cmake_pch.hxx.cxx
      PROPERTIES COMPILE_OPTIONS -fno-pch-preprocess)
  endif()
endfunction()

# Nearly every target reuses one of four precompiled headers: with or without gRPC, with or without
# GoogleTest. What a file includes it names all the same: tests/tidy/clang_tidy.sh builds without.
function(treadle_reuse_headers name is_grpc plain grpc)
  set(of ${plain})
  if(is_grpc)
    set(of ${grpc})
  endif()
  if(TREADLE_PCH AND NOT name STREQUAL of)  # that one has its own
    target_precompile_headers(${name} REUSE_FROM ${of})
  endif()
endfunction()

# treadle_library(NAME SOURCES... LINK... [GRPC | PRECOMPILE header]): one folder, one static
# library. GRPC: its files include gRPC or the API's generated code. PRECOMPILE: they share a header
# of their own.
function(treadle_library name)
  cmake_parse_arguments(ARG "GRPC" "PRECOMPILE" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  treadle_own(${name})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  if(ARG_PRECOMPILE)
    treadle_precompile(${name} ${ARG_PRECOMPILE})
  else()
    treadle_reuse_headers(${name} ${ARG_GRPC} treadle_support treadle_wire)
  endif()
endfunction()

# treadle_public_headers(NAME): what is in the folder's include/ is for users, who get it with this
# library. The target all_verify_interface_header_sets compiles each header alone.
function(treadle_public_headers name)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS include/*.h)
  target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${headers})
  set_target_properties(${name} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
endfunction()

# treadle_binary(NAME SOURCES... LINK... [GRPC] [OUTPUT name])
function(treadle_binary name)
  cmake_parse_arguments(ARG "GRPC" "OUTPUT" "SOURCES;LINK" ${ARGN})
  if(NOT ARG_OUTPUT)
    set(ARG_OUTPUT ${name})
  endif()
  add_executable(${name} ${ARG_SOURCES})
  treadle_own(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  target_link_options(${name} PRIVATE LINKER:--as-needed)
  set_target_properties(${name} PROPERTIES OUTPUT_NAME ${ARG_OUTPUT}
                        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
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
  treadle_own(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  treadle_reuse_headers(${name} ${ARG_GRPC} treadle_test_headers treadle_grpc_test_headers)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
                       PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()
