# Builds the program once more, with its fault points compiled in: the first step of every crash test.
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -G Ninja -DFAULTS=ON -DTESTS=OFF -DSANITIZE=${SANITIZE}
  -DTINY=${TINY} -DCMAKE_C_COMPILER_LAUNCHER=${LAUNCHER} RESULT_VARIABLE failed)
if(NOT failed)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --target weir RESULT_VARIABLE failed)
endif()
if(failed)
  message(FATAL_ERROR "the build with fault points failed")
endif()
