# suite.cmake: the programs of the fork-join applications, suite_<contender>, and how each other
# library is found for them. The file `suite_contenders` of the build directory is for them what
# `contenders` is for the pools.

option(BENCH_SUITE_ALONE "Of the benchmarks build the serial suite and filch's alone, by this \
compiler: their names end in it" OFF)
if(BENCH_SUITE_ALONE)
    string(TOLOWER "_${CMAKE_C_COMPILER_ID}" suite_suffix)
endif()

add_custom_target(suite_all)
add_dependencies(bench_all suite_all)

pkg_check_modules(BENCH_CRYPTO QUIET IMPORTED_TARGET libcrypto)
if(TARGET PkgConfig::BENCH_CRYPTO)
    set(suite_has_sha1 1)
    set(suite_libraries PkgConfig::BENCH_CRYPTO)
else()
    message(STATUS "libcrypto was not found: Unbalanced Tree Search is left out of the benchmarks")
    set(suite_has_sha1 0)
endif()

set(suite_sources ${CMAKE_CURRENT_SOURCE_DIR}/suite/workloads.c
                  ${CMAKE_CURRENT_SOURCE_DIR}/suite/kernels.c)
add_library(suite_harness OBJECT ${suite_sources})
target_include_directories(suite_harness PRIVATE harness suite)
target_compile_definitions(suite_harness PRIVATE SUITE_HAS_SHA1=${suite_has_sha1})
target_link_libraries(suite_harness PRIVATE filch_flags ${suite_libraries})

# suite_known(name [word...]): a line of `suite_contenders`
function(suite_known name)
    string(JOIN "\t" line ${name} ${ARGN})
    set_property(DIRECTORY APPEND PROPERTY suite_contenders "${line}")
endfunction()

# suite_contender(name source libraries...): the program suite_<name>
function(suite_contender name source)
    add_executable(suite_${name} ${source} $<TARGET_OBJECTS:bench_harness>
                                 $<TARGET_OBJECTS:suite_harness>)
    target_include_directories(suite_${name} PRIVATE harness suite)
    target_compile_definitions(suite_${name} PRIVATE "SUITE_NAME=\"${name}\"")
    target_link_libraries(suite_${name} PRIVATE ${ARGN} ${suite_libraries} Threads::Threads m)
    add_dependencies(suite_all suite_${name})
    suite_known(${name} $<TARGET_FILE:suite_${name}>)
endfunction()

suite_contender(serial${suite_suffix} suite/peers/serial.c filch_flags)
suite_contender(filch${suite_suffix} suite/peers/filch.c filch_flags filch::filch)
