# ccsand_embed_binary(TARGET FUNCTION HEADER FILE): a source that holds FILE's bytes.
function(ccsand_embed_binary output function header file)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DINPUT=${file} -DOUTPUT=${output} -DFUNCTION=${function} -DHEADER=${header}
            -P ${PROJECT_SOURCE_DIR}/cmake/embed_bytes.cmake
    DEPENDS ${file} ${PROJECT_SOURCE_DIR}/cmake/embed_bytes.cmake VERBATIM)
endfunction()
