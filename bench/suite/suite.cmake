# suite.cmake: the programs of the fork-join applications, suite_<contender>, and how each other
# library is found for them. The files `suite_contenders` of this build directory and of that by clang,
# `clang/`, are for them what `contenders` is for the pools. (The finders of peers/peers.cmake serve both.)

set(BENCH_SUITE_SUFFIX "" CACHE STRING "What the names of the serial suite and of filch's end in")

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
# The loops of the kernels lie the same way in the cache lines of every program.
target_compile_options(suite_harness PRIVATE -falign-functions=64)
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

suite_contender(serial${BENCH_SUITE_SUFFIX} suite/peers/serial.c filch_flags)
suite_contender(filch${BENCH_SUITE_SUFFIX} suite/peers/filch.c filch_flags filch::filch)

if(CMAKE_C_COMPILER_ID MATCHES "Clang")
    set(suite_openmp libomp)
else()
    set(suite_openmp libgomp)
endif()
find_package(OpenMP QUIET COMPONENTS C)
if(TARGET OpenMP::OpenMP_C)
    suite_contender(${suite_openmp} suite/peers/openmp.c filch_flags OpenMP::OpenMP_C)
else()
    suite_known(${suite_openmp})
endif()

# By clang, too, in a build directory of its own: the library, the serial suite, libomp.
find_program(BENCH_clang clang)
if(FILCH_BENCH_PEERS AND NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    if(BENCH_clang)
        set(clang_build ${PROJECT_BINARY_DIR}/clang)
        add_custom_target(suite_clang
            COMMAND ${CMAKE_COMMAND} -S ${PROJECT_SOURCE_DIR} -B ${clang_build} -G ${CMAKE_GENERATOR}
                    -DCMAKE_C_COMPILER=${BENCH_clang} -DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE}
                    -DBUILD_TESTING=OFF -DFILCH_BENCH=ON -DBENCH_SUITE_SUFFIX=_clang
            COMMAND ${CMAKE_COMMAND} --build ${clang_build} --target suite_all
            VERBATIM)
        add_dependencies(suite_all suite_clang)
    else()
        suite_known(serial_clang)
        suite_known(filch_clang)
        suite_known(libomp)
    endif()
endif()
