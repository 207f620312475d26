# What is installed, in four components, each a Debian package: server, worker, cli, dev.
if(TREADLE_INSTALL)
  include(GNUInstallDirs)
  include(CMakePackageConfigHelpers)
endif()

# treadle_export(TARGET NAME [SET testing]): a library that users link, in this tree and installed,
# as treadle::NAME. Names that begin with "internal_" are for the others' sake. SET testing: only
# treadle::testing needs it.
function(treadle_export target name)
  cmake_parse_arguments(ARG "" "SET" "" ${ARGN})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  add_library(treadle::${name} ALIAS ${target})
  if(TREADLE_INSTALL AND (TREADLE_TESTING OR NOT ARG_SET))
    get_target_property(sets ${target} INTERFACE_HEADER_SETS)
    set(headers)
    if(sets)
      set(headers FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)
    endif()
    install(TARGETS ${target} EXPORT treadle${ARG_SET}
            ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev
            INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} ${headers})
  endif()
endfunction()

# treadle_install_program(TARGET COMPONENT)
function(treadle_install_program target component)
  if(TREADLE_INSTALL)
    install(TARGETS ${target} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT ${component})
  endif()
endfunction()

# Lists in `libraries` the static libraries that a target stands on, itself first and each before
# those that it needs, and in `modules` the pkg-config modules.
function(treadle_link_closure target libraries modules)
  set(mine)
  set(theirs)
  get_target_property(links ${target} INTERFACE_LINK_LIBRARIES)
  foreach(link IN LISTS links)
    if(NOT link OR link STREQUAL Threads::Threads)
      continue()
    elseif(link MATCHES "^treadle_")
      treadle_link_closure(${link} its_libraries its_modules)
      # Who comes again goes to the end: behind all that need it.
      list(REMOVE_ITEM mine ${its_libraries})
      list(APPEND mine ${its_libraries})
      list(APPEND theirs ${its_modules})
    elseif(link STREQUAL treadle::grpc)
      list(APPEND theirs grpc++)
    elseif(link STREQUAL protobuf::libprotobuf)
      list(APPEND theirs protobuf)
    elseif(link MATCHES "^absl::(.*)$")
      list(APPEND theirs absl_${CMAKE_MATCH_1})
    elseif(link STREQUAL nlohmann_json::nlohmann_json)
      list(APPEND theirs nlohmann_json)
    elseif(link STREQUAL spdlog::spdlog)
      list(APPEND theirs spdlog)
    elseif(link STREQUAL PkgConfig::TREADLE_PC_XXHASH)
      list(APPEND theirs libxxhash)
    else()
      message(FATAL_ERROR "${target} links ${link}, which has no pkg-config module here")
    endif()
  endforeach()
  list(REMOVE_DUPLICATES theirs)
  set(${libraries} ${target} ${mine} PARENT_SCOPE)
  set(${modules} ${theirs} PARENT_SCOPE)
endfunction()

# treadle_pkg_config(TARGET NAME DESCRIPTION): NAME.pc
function(treadle_pkg_config target name description)
  treadle_link_closure(${target} libraries modules)
  list(TRANSFORM libraries PREPEND -l)
  list(JOIN libraries " " libraries)
  list(JOIN modules ", " modules)
  # Wherever it was installed to.
  file(RELATIVE_PATH up /x/${CMAKE_INSTALL_LIBDIR}/pkgconfig /x)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/${name}.pc @ONLY CONTENT
"prefix=\${pcfiledir}/@up@
libdir=\${prefix}/@CMAKE_INSTALL_LIBDIR@
includedir=\${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: @name@
Description: @description@
Version: @PROJECT_VERSION@
Requires: @modules@
Libs: -L\${libdir} @libraries@ -pthread
Cflags: -I\${includedir} -pthread
")
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
          COMPONENT dev)
endfunction()

# What find_package(treadle) and pkg-config read.
function(treadle_install_package)
  set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/treadle)
  install(EXPORT treadle FILE treadleTargets.cmake NAMESPACE treadle:: DESTINATION ${folder}
          COMPONENT dev)
  if(TREADLE_TESTING)
    install(EXPORT treadletesting FILE treadleTestingTargets.cmake NAMESPACE treadle::
            DESTINATION ${folder} COMPONENT dev)
    treadle_pkg_config(treadle_testing treadle-testing "A Treadle broker inside a test")
  endif()
  # Until 1.0 a minor version may change what programs are written against.
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/treadleConfigVersion.cmake
                                   COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_SOURCE_DIR}/proto/cmake/package_config.cmake DESTINATION ${folder}
          RENAME treadleConfig.cmake COMPONENT dev)
  install(FILES ${PROJECT_SOURCE_DIR}/proto/cmake/dependencies.cmake
                ${PROJECT_SOURCE_DIR}/proto/cmake/server_dependencies.cmake
                ${PROJECT_BINARY_DIR}/treadleConfigVersion.cmake
          DESTINATION ${folder} COMPONENT dev)
  treadle_pkg_config(treadle_client treadle-client "Submits tasks to a Treadle broker")
  treadle_pkg_config(treadle_worker treadle-worker "Runs tasks of a Treadle broker")
endfunction()
