# find_package(treadle): treadle::client and treadle::worker; with COMPONENTS testing,
# treadle::testing too, which needs spdlog and xxHash.
include(${CMAKE_CURRENT_LIST_DIR}/dependencies.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/treadleTargets.cmake)
if("testing" IN_LIST treadle_FIND_COMPONENTS AND
   EXISTS ${CMAKE_CURRENT_LIST_DIR}/treadleTestingTargets.cmake)
  include(${CMAKE_CURRENT_LIST_DIR}/server_dependencies.cmake)
  include(${CMAKE_CURRENT_LIST_DIR}/treadleTestingTargets.cmake)
endif()
foreach(component IN LISTS treadle_FIND_COMPONENTS)
  if(NOT TARGET treadle::${component} AND treadle_FIND_REQUIRED_${component})
    set(treadle_FOUND FALSE)
    set(treadle_NOT_FOUND_MESSAGE
        "treadle has no component '${component}': there are client, worker and testing")
  endif()
endforeach()
