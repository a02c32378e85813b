# Builds the program, and the simulator of jobs, once more, with fault points compiled in: the first step of crash tests.
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -G Ninja -DFAULTS=ON -DTESTS=ON -DSANITIZE=${SANITIZE}
  -DTINY=${TINY} -DCMAKE_C_COMPILER_LAUNCHER=${LAUNCHER} RESULT_VARIABLE failed)
if(NOT failed)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --target weir sim_job RESULT_VARIABLE failed)
endif()
if(failed)
  message(FATAL_ERROR "the build with fault points failed")
endif()
