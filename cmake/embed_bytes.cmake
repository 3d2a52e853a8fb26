# Writes a C++ source whose function returns the bytes of a file.
file(READ "${INPUT}" hex HEX)
string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${hex}")
# Short literals side by side: a hex escape would swallow a digit that follows it.
string(REGEX REPLACE "((\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..))" "\\1\"\n\"" bytes "${bytes}")
string(LENGTH "${hex}" digits)
math(EXPR size "${digits} / 2")
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"\nnamespace ccsand {\nstd::string_view ${FUNCTION}() {\n  static constexpr char bytes[] =\n\"${bytes}\";\n  return {bytes, ${size}};\n}\n}\n")
