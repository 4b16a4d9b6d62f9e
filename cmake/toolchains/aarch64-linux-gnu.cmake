# Cross-compiles for aarch64 Linux with the GNU tools of Debian or Ubuntu (g++-aarch64-linux-gnu), and runs what is built
# under emulation (qemu-user):
#
#     cmake --preset aarch64 && cmake --build --preset aarch64 && ctest --preset aarch64
#
# SPACE2VEC_EMULATED_CPU: the processor that qemu-aarch64 plays, of `qemu-aarch64 -cpu help`.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(prefix aarch64-linux-gnu)
set(CMAKE_C_COMPILER ${prefix}-gcc)
set(CMAKE_CXX_COMPILER ${prefix}-g++)

set(SPACE2VEC_EMULATED_CPU max CACHE STRING "The processor that qemu-aarch64 plays")
set(root /usr/${prefix})
find_program(SPACE2VEC_EMULATOR NAMES qemu-aarch64 qemu-aarch64-static)
mark_as_advanced(SPACE2VEC_EMULATOR)
# Where the machine itself is one of aarch64, what is built runs by itself.
if(SPACE2VEC_EMULATOR AND NOT CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL "aarch64")
  set(CMAKE_CROSSCOMPILING_EMULATOR ${SPACE2VEC_EMULATOR} -cpu ${SPACE2VEC_EMULATED_CPU} -L ${root})
endif()

set(CMAKE_FIND_ROOT_PATH ${root})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
