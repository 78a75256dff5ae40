# One target for each folder of src/, with an include root of its own: a file that includes a folder
# which it does not link fails with "no such file", and a cycle fails when CMake runs.

function(_eventbus_target_name folder out)
    string(REPLACE "/" "_" target ${folder})
    set(${out} ${target} PARENT_SCOPE)
endfunction()

function(_eventbus_sources name out_sources out_tests)
    file(GLOB all CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
    set(tests ${all})
    list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
    set(sources ${all})
    list(FILTER sources EXCLUDE REGEX "(_test|/main)\\.cpp$")
    set(${out_sources} ${sources} PARENT_SCOPE)
    set(${out_tests} ${tests} PARENT_SCOPE)
endfunction()

# Tests of one folder: one program, each of its tests a test of CTest, with the folder as its label. A
# test that hangs ends itself and shows its stacks (test_main); CTest's time limit is for what cannot.
function(eventbus_tests target)
    cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
    if(NOT ARG_SOURCES OR NOT EVENTBUS_TESTS)
        return()
    endif()
    add_executable(${target} ${ARG_SOURCES})
    target_link_libraries(${target} PRIVATE ${ARG_DEPS} GTest::gtest test_main)
    string(REGEX REPLACE "_test$" "" label ${target})
    include(GoogleTest)
    gtest_discover_tests(${target} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES LABELS ${label} TIMEOUT 240)
endfunction()

# eventbus_folder(bus DEPS catalog auth log USES libraries…): DEPS are folders, and must have been
# declared before; libraries are private, so they go no further than this folder's own files.
function(eventbus_folder name)
    cmake_parse_arguments(ARG "" "" "DEPS;USES" ${ARGN})
    _eventbus_target_name(${name} target)
    foreach(dep IN LISTS ARG_DEPS)
        if(NOT TARGET ${dep})
            message(FATAL_ERROR "src/${name} may not use ${dep}: it is not above it in the order")
        endif()
    endforeach()
    _eventbus_sources(${name} sources tests)

    set(root ${PROJECT_BINARY_DIR}/include/${target})  # holds one link: ${name} -> src/${name}
    get_filename_component(parent ${root}/${name} DIRECTORY)
    file(MAKE_DIRECTORY ${parent})
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/${name} ${root}/${name} SYMBOLIC)

    if(sources)
        add_library(${target} STATIC ${sources})
        set(scope PUBLIC)
        target_link_libraries(${target} PRIVATE ${ARG_USES})
        # __FILE__ as in the tree; the second of each pair is how ccache writes the first.
        file(RELATIVE_PATH up ${PROJECT_BINARY_DIR} ${CMAKE_SOURCE_DIR})
        target_compile_options(${target} PUBLIC -ffile-prefix-map=${root}/=src/
                               -ffile-prefix-map=include/${target}/=src/)
        target_compile_options(${target} PRIVATE -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=
                               -ffile-prefix-map=${up}=)  # it ends in a slash
    else()
        add_library(${target} INTERFACE)
        set(scope INTERFACE)
    endif()
    target_include_directories(${target} ${scope} ${root})
    target_link_libraries(${target} ${scope} ${ARG_DEPS})

    eventbus_tests(${target}_test SOURCES ${tests} DEPS ${target} test_support ${ARG_USES})
endfunction()

# The program: a folder that nothing may use. Its files but main.cpp are a library, so that tests reach them.
function(eventbus_program name)
    cmake_parse_arguments(ARG "" "BINARY" "DEPS;USES" ${ARGN})
    if(EVENTBUS_FUZZ)
        return()
    endif()
    eventbus_folder(${name} DEPS ${ARG_DEPS} USES ${ARG_USES})
    if(EXISTS ${CMAKE_SOURCE_DIR}/src/${name}/main.cpp)
        add_executable(${ARG_BINARY} ${CMAKE_SOURCE_DIR}/src/${name}/main.cpp)
        target_link_libraries(${ARG_BINARY} PRIVATE ${name})
    endif()
endfunction()
