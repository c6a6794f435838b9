# peers.cmake: how each other library is found, and its contenders built: that of the pools, and that
# of the fork-join applications (suite/suite.cmake). What is not there is noted as missing, and never
# an error.

# --- oneTBB ---
include(CheckLanguage)
check_language(CXX)
if(CMAKE_CXX_COMPILER)
    enable_language(CXX)
    find_package(TBB QUIET)
endif()
if(TARGET TBB::tbb)
    bench_contender(tbb peers/tbb.cpp TBB::tbb)
    suite_contender(tbb suite/peers/tbb.cpp TBB::tbb)
    target_compile_features(bench_tbb PRIVATE cxx_std_17)
    target_compile_features(suite_tbb PRIVATE cxx_std_17)
else()
    bench_known(tbb)
    suite_known(tbb)
endif()

# --- libgomp and libomp: the same source and the harness, by a compiler of their own each ---
function(bench_openmp name compiler)
    find_program(BENCH_${compiler} ${compiler})
    set(command ${BENCH_${compiler}})
    set(works FALSE)
    if(command)
        set(probe ${CMAKE_CURRENT_BINARY_DIR}/${name}_probe)
        file(WRITE ${probe}.c "#include <omp.h>\nint main(void) { return !omp_get_max_threads(); }\n")
        execute_process(COMMAND ${command} -fopenmp ${probe}.c -o ${probe}
                        RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
        if(status EQUAL 0)
            set(works TRUE)
        endif()
    endif()
    if(NOT works)
        bench_known(${name})
        return()
    endif()
    execute_process(COMMAND ${command} -dumpversion OUTPUT_VARIABLE version
                    OUTPUT_STRIP_TRAILING_WHITESPACE)
    set(program ${CMAKE_CURRENT_BINARY_DIR}/openmp/${name})
    file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/openmp)
    set(source ${CMAKE_CURRENT_SOURCE_DIR}/peers/openmp.c)
    file(GLOB headers ${CMAKE_CURRENT_SOURCE_DIR}/harness/*.h)
    add_custom_command(
        OUTPUT ${program}
        COMMAND ${command} -std=c11 -O3 -DNDEBUG -D_GNU_SOURCE -fopenmp -Wall -Wextra
                "-DBENCH_FLAGS=\"-O3 -DNDEBUG -fopenmp (${compiler} ${version})\""
                "-DOPENMP_NAME=\"${name}\"" -I${CMAKE_CURRENT_SOURCE_DIR}/harness ${source}
                ${harness} ${workloads} -o ${program} -pthread -lm
        DEPENDS ${source} ${harness} ${workloads} ${headers} VERBATIM)
    add_custom_target(bench_${name} DEPENDS ${program})
    add_dependencies(bench_all bench_${name})
    bench_known(${name} ${program})
endfunction()
bench_openmp(libgomp gcc)
bench_openmp(libomp clang)

# --- rayon: Debian's crate, by any cargo, without the network ---
set(registry /usr/share/cargo/registry)
file(GLOB rayon ${registry}/rayon-[0-9]*)
find_program(BENCH_CARGO cargo)
find_program(BENCH_RUSTC rustc)
if(rayon AND BENCH_CARGO AND BENCH_RUSTC)
    list(GET rayon -1 rayon)
    string(REGEX REPLACE ".*/rayon-" "" version "${rayon}")
    execute_process(COMMAND ${BENCH_RUSTC} --version OUTPUT_VARIABLE rustc
                    OUTPUT_STRIP_TRAILING_WHITESPACE)
    string(REGEX REPLACE " \\(.*" "" rustc "${rustc}")
    # bench_rust(crate source): the static library `archive`, by the target <crate>_archive
    function(bench_rust crate source)
        set(folder ${CMAKE_CURRENT_BINARY_DIR}/rayon/${crate})
        set(source ${CMAKE_CURRENT_SOURCE_DIR}/${source})
        configure_file(peers/rayon.toml.in ${folder}/Cargo.toml @ONLY)
        set(archive ${folder}/target/release/lib${crate}.a)
        add_custom_command(
            OUTPUT ${archive}
            COMMAND
                ${CMAKE_COMMAND} -E env RUSTC=${BENCH_RUSTC} BENCH_RAYON_VERSION=${version}
                "BENCH_RAYON_FLAGS=cargo --release (${rustc})" ${BENCH_CARGO}
                --config "source.crates-io.replace-with='debian'"
                --config "source.debian.directory='${registry}'"
                build --offline --release --manifest-path ${folder}/Cargo.toml
                --target-dir ${folder}/target
            DEPENDS ${source} ${folder}/Cargo.toml VERBATIM)
        add_custom_target(${crate}_archive DEPENDS ${archive})
        set(archive ${archive} PARENT_SCOPE)
    endfunction()
    bench_rust(bench_rayon peers/rayon.rs)
    bench_contender(rayon "" ${archive} ${CMAKE_DL_LIBS})
    bench_rust(suite_rayon suite/peers/rayon.rs)
    suite_contender(rayon "" ${archive} ${CMAKE_DL_LIBS})
    foreach(program bench_rayon suite_rayon)
        set_target_properties(${program} PROPERTIES LINKER_LANGUAGE C)
        add_dependencies(${program} ${program}_archive)
    endforeach()
else()
    bench_known(rayon)
    suite_known(rayon)
endif()

# --- Java's ForkJoinPool ---
find_program(BENCH_JAVAC javac)
find_program(BENCH_JAVA java)
if(BENCH_JAVAC AND BENCH_JAVA)
    set(classes ${CMAKE_CURRENT_BINARY_DIR}/java)
    set(sources ${CMAKE_CURRENT_SOURCE_DIR}/peers/ForkJoin.java
                ${CMAKE_CURRENT_SOURCE_DIR}/suite/peers/Suite.java)
    add_custom_command(OUTPUT ${classes}/ForkJoin.class ${classes}/Suite.class
                       COMMAND ${BENCH_JAVAC} -d ${classes} ${sources}
                       DEPENDS ${sources} VERBATIM)
    add_custom_target(bench_java DEPENDS ${classes}/ForkJoin.class ${classes}/Suite.class)
    add_dependencies(bench_all bench_java)
    add_dependencies(suite_all bench_java)
    bench_known(java ${BENCH_JAVA} -cp ${classes} ForkJoin)
    suite_known(java ${BENCH_JAVA} -cp ${classes} Suite)
else()
    bench_known(java)
    suite_known(java)
endif()

# --- GLib ---
pkg_check_modules(GLIB QUIET IMPORTED_TARGET glib-2.0)
if(TARGET PkgConfig::GLIB)
    bench_contender(glib peers/glib.c filch_flags PkgConfig::GLIB)
else()
    bench_known(glib)
endif()

# --- Python ---
find_program(BENCH_PYTHON python3)
if(BENCH_PYTHON)
    bench_known(python ${BENCH_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/peers/python.py)
else()
    bench_known(python)
endif()

# --- Python's pools of processes: by the first interpreter that has what the pool needs ---
# bench_python_pool(name pool import-statement)
function(bench_python_pool name pool statement)
    foreach(python ${BENCH_PYTHON} /usr/bin/python3)
        execute_process(COMMAND ${python} -c "${statement}"
                        RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
        if(status EQUAL 0)
            bench_known(${name} ${python} ${CMAKE_CURRENT_SOURCE_DIR}/peers/python.py --pool=${pool})
            return()
        endif()
    endforeach()
    bench_known(${name})
endfunction()
find_program(BENCH_MPIEXEC mpiexec)
bench_python_pool(python_process process "import concurrent.futures")
bench_python_pool(loky loky "
try:
    import loky
except ImportError:
    import joblib.externals.loky")
if(BENCH_MPIEXEC)
    bench_python_pool(mpi4py mpi4py "import mpi4py.futures")
else()
    bench_known(mpi4py)
endif()
