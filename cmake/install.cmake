# What `cmake --install` installs: the programs, and what embedding ccsand in another
# program takes.
include(CMakePackageConfigHelpers)

install(TARGETS ccsand RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(CCSAND_IMAGE_TOOL)
  install(TARGETS ccsand-image RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/ccsand)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/docs/ccsand.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

# The layers in one library: what is below the bindings is not an interface.
add_library(ccsand_host STATIC
  $<TARGET_OBJECTS:ccsand_sys> $<TARGET_OBJECTS:ccsand_core> $<TARGET_OBJECTS:ccsand_bindings> $<TARGET_OBJECTS:ccsand_shipped>)
set_target_properties(ccsand_host PROPERTIES OUTPUT_NAME ccsand LINKER_LANGUAGE CXX)
install(TARGETS ccsand_host ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ccsand DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# The packages are written by hand, not exported: an exported target would carry this
# build's warnings and this machine's paths along.
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ccsand)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/ccsandConfig.cmake.in
  ${PROJECT_BINARY_DIR}/package/ccsandConfig.cmake INSTALL_DESTINATION ${package_dir}
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/ccsandConfigVersion.cmake COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH CCSAND_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/ccsand.pc.in ${PROJECT_BINARY_DIR}/package/ccsand.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/ccsandConfig.cmake ${PROJECT_BINARY_DIR}/package/ccsandConfigVersion.cmake
  DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/package/ccsand.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# For editors, and to read: the program has its Lua tree inside.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/lua/meta/ DESTINATION ${CMAKE_INSTALL_DATADIR}/ccsand/meta
  OPTIONAL FILES_MATCHING PATTERN "*.lua")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/lua/recipes/ DESTINATION ${CMAKE_INSTALL_DATADIR}/ccsand/recipes
  FILES_MATCHING PATTERN "*.lua")
