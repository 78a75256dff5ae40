# Compiler flags, libraries, and the speed-ups that are used where the machine has them.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

set(EVENTBUS_SANITIZE "" CACHE STRING "sanitizers, as for -fsanitize=")
option(EVENTBUS_FUZZ "build the libFuzzer harnesses (clang)" OFF)
set(known_compiler OFF)  # each newer one finds something new to warn of, which must not stop a newcomer
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION MATCHES "^12\\.")
    set(known_compiler ON)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION MATCHES "^14\\.")
    set(known_compiler ON)
endif()
option(EVENTBUS_WERROR "warnings are errors" ${known_compiler})

set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")  # -O0 makes the sanitizer runs four times slower

# A designated initializer leaves out what has a good default; that is no oversight.
add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wno-missing-field-initializers
                    -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # BUS_ASSERT(!"why"), and signs, of which g++'s -Wconversion says nothing either in C++.
    add_compile_options(-Wno-string-conversion -Wno-sign-conversion)
endif()
if(EVENTBUS_WERROR)
    add_compile_options(-Werror)
endif()
if(EVENTBUS_SANITIZE)
    add_compile_options(-fsanitize=${EVENTBUS_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${EVENTBUS_SANITIZE})
    if(EVENTBUS_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        add_compile_options(-Wno-tsan)  # fences in libraries' headers; ours use none
    endif()
endif()

find_program(CCACHE ccache)
if(CCACHE)
    # The build folder's place is no part of an object: all presets and clones share the cache.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
        CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()
find_program(MOLD ld.mold)
find_program(LLD ld.lld)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND LLD)
    add_link_options(-fuse-ld=lld)
elseif(MOLD)
    add_link_options(-fuse-ld=mold)
elseif(LLD)
    add_link_options(-fuse-ld=lld)
endif()

find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(OpenSSL 3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(simdjson REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(cjose REQUIRED IMPORTED_TARGET cjose)
pkg_check_modules(liburing REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(rocksdb REQUIRED IMPORTED_TARGET rocksdb)

# ./run installs no test library and builds no test; ./test says ON, so that a missing one is an error.
find_package(GTest)
if(EVENTBUS_FUZZ)
    set(EVENTBUS_TESTS OFF)
endif()
option(EVENTBUS_TESTS "build the tests (needs GoogleTest)" ${GTest_FOUND})
if(EVENTBUS_TESTS AND NOT GTest_FOUND)
    message(FATAL_ERROR "EVENTBUS_TESTS needs GoogleTest: tools/setup test installs it")
endif()

add_library(boost_headers INTERFACE)
target_link_libraries(boost_headers INTERFACE Boost::headers Boost::url)
add_library(boost_json INTERFACE)
target_link_libraries(boost_json INTERFACE Boost::json)
