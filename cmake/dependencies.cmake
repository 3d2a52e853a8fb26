# What ccsand links, all from Debian's packages (scripts/setup installs them).
find_package(PkgConfig REQUIRED)
pkg_check_modules(LUAJIT REQUIRED luajit)
pkg_check_modules(SECCOMP REQUIRED libseccomp)
pkg_check_modules(JANSSON REQUIRED jansson)
# Their headers alone: they are loaded when a recipe first needs a network.
pkg_check_modules(MNL REQUIRED libmnl)
pkg_check_modules(NFTABLES REQUIRED libnftables)

# LuaJIT, libseccomp and jansson are linked statically: the start of a container should
# not pay for the dynamic linker's work on them.
find_library(CCSAND_LUAJIT_ARCHIVE libluajit-5.1.a REQUIRED)
find_library(CCSAND_SECCOMP_ARCHIVE libseccomp.a REQUIRED)
find_library(CCSAND_JANSSON_ARCHIVE libjansson.a REQUIRED)
add_library(ccsand_luajit INTERFACE)
target_include_directories(ccsand_luajit SYSTEM INTERFACE ${LUAJIT_INCLUDE_DIRS})
target_link_libraries(ccsand_luajit INTERFACE ${CCSAND_LUAJIT_ARCHIVE} m ${CMAKE_DL_LIBS})
add_library(ccsand_seccomp INTERFACE)
target_include_directories(ccsand_seccomp SYSTEM INTERFACE ${SECCOMP_INCLUDE_DIRS})
target_link_libraries(ccsand_seccomp INTERFACE ${CCSAND_SECCOMP_ARCHIVE})
add_library(ccsand_jansson INTERFACE)
target_include_directories(ccsand_jansson SYSTEM INTERFACE ${JANSSON_INCLUDE_DIRS})
target_link_libraries(ccsand_jansson INTERFACE ${CCSAND_JANSSON_ARCHIVE})

if(CCSAND_IMAGE_TOOL)
  pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive)
  pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
  pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
endif()
if(CCSAND_TESTS)
  find_package(Catch2 2.13 REQUIRED)
endif()
