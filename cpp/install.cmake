# What others build against: both kinds of the library, headers, models, and what CMake and pkg-config need to find them.
include(CMakePackageConfigHelpers)

# All of it below some folders of a prefix, as a component. A wheel has no links between files: its one file of the
# library has the name that programs ask for, and no other.
function(install_library component lib include share models)
  set(namelink "")
  set(ABOUT_CUDA OFF)
  if(component STREQUAL python)
    set(namelink NAMELINK_SKIP)
  endif()
  set(export space2vec_${component})
  set(targets space2vec_shared)
  if(NOT component STREQUAL python)
    list(APPEND targets space2vec_static)
  endif()
  install(TARGETS ${targets} EXPORT ${export}
    LIBRARY DESTINATION ${lib} COMPONENT ${component} ${namelink}
    ARCHIVE DESTINATION ${lib} COMPONENT ${component}
    INCLUDES DESTINATION ${include})
  install(DIRECTORY include/space2vec DESTINATION ${include} COMPONENT ${component} PATTERN cuda.h EXCLUDE)
  if(NOT component STREQUAL python)
    set(ABOUT_CUDA ${SPACE2VEC_CUDA})
    if(SPACE2VEC_CUDA)
      install(FILES include/space2vec/cuda.h DESTINATION ${include}/space2vec COMPONENT ${component})
    endif()
    install(DIRECTORY ${SPACE2VEC_MODEL_FOLDER}/ DESTINATION ${models} COMPONENT ${component}
      FILES_MATCHING PATTERN "*.safetensors")
    install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${share}/licenses/space2vec COMPONENT ${component})
  endif()

  set(package_folder ${lib}/cmake/space2vec)
  set(PACKAGE_MODELS ${models})
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/${component})
  install(EXPORT ${export} NAMESPACE space2vec:: FILE space2vec-targets.cmake DESTINATION ${package_folder}
    COMPONENT ${component})
  configure_package_config_file(space2vec-config.cmake.in ${generated}/space2vec-config.cmake
    INSTALL_DESTINATION ${package_folder} PATH_VARS PACKAGE_MODELS)
  write_basic_package_version_file(${generated}/space2vec-config-version.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${generated}/space2vec-config.cmake ${generated}/space2vec-config-version.cmake
    DESTINATION ${package_folder} COMPONENT ${component})

  # Found from where the file itself lies, so that a prefix can be moved.
  file(RELATIVE_PATH PC_PREFIX /${lib}/pkgconfig /)
  string(REGEX REPLACE "/$" "" PC_PREFIX "${PC_PREFIX}")
  set(PC_LIB ${lib})
  set(PC_INCLUDE ${include})
  set(PC_MODELS ${models})
  set(PC_LINK "-lspace2vec")
  if(component STREQUAL python)
    set(PC_LINK "-l:libspace2vec.so.${SPACE2VEC_ABI}")
  endif()
  configure_file(space2vec.pc.in ${generated}/space2vec.pc @ONLY)
  install(FILES ${generated}/space2vec.pc DESTINATION ${lib}/pkgconfig COMPONENT ${component})
endfunction()

if(SPACE2VEC_BUILD_PYTHON)  # the wheel; the package has the models
  install_library(python space2vec/lib space2vec/include space2vec/share space2vec/packaged)
endif()
if(SPACE2VEC_INSTALL_LIBRARY)
  install_library(library ${CMAKE_INSTALL_LIBDIR} ${CMAKE_INSTALL_INCLUDEDIR} ${CMAKE_INSTALL_DATADIR}
    ${CMAKE_INSTALL_DATADIR}/space2vec/models)
endif()
