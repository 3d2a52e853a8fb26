# How every target of the project is compiled.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(ccsand_options INTERFACE)
target_compile_options(ccsand_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Wold-style-cast -Werror -fno-rtti -ffunction-sections -fdata-sections)
target_compile_definitions(ccsand_options INTERFACE _GNU_SOURCE CCSAND_VERSION="${PROJECT_VERSION}")
target_include_directories(ccsand_options INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_link_options(ccsand_options INTERFACE -Wl,--gc-sections -Wl,--as-needed)

if(CCSAND_SANITIZE)
  target_compile_options(ccsand_options INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer
    -fno-sanitize-recover=undefined)
  target_link_options(ccsand_options INTERFACE -fsanitize=address,undefined)
else()
  target_compile_options(ccsand_options INTERFACE -fstack-protector-strong)
  target_link_options(ccsand_options INTERFACE -static-libstdc++ -static-libgcc -Wl,-z,relro,-z,now)
endif()
