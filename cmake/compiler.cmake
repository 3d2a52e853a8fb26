# How every target of the project is compiled.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Small before fast: a start is a matter of the pages it touches, and measured no slower.
set(CMAKE_CXX_FLAGS_RELEASE "-Os -DNDEBUG")

add_library(ccsand_options INTERFACE)
target_compile_options(ccsand_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Wold-style-cast -Werror -fno-rtti -ffunction-sections -fdata-sections)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # g++ 12 sees overlaps in "literal" + std::string, and strings of aggregates without a value,
  # that are not there (GCC bugs 105651, 105562); clang looks for both as well.
  target_compile_options(ccsand_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
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
