#include <catch2/catch.hpp>

#include "core/printable.hpp"

using ccsand::printable;

TEST_CASE("text of containers is UTF-8 without control characters", "[printable]") {
  CHECK(printable("") == "");
  CHECK(printable("a\tb\n\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80") == "a\tb\n\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK(printable(std::string_view("\33[2J\r\x7f\0", 7)) == "\\x1b[2J\\x0d\\x7f\\x00");
  CHECK(printable("\xc2\x9b" "2J \xc2\x80 \xc2\xa0") == "\\xc2\\x9b2J \\xc2\\x80 \xc2\xa0");
  CHECK(printable("\xc0\x9b \xed\xa0\x80 \xff") == "\\xc0\\x9b \\xed\\xa0\\x80 \\xff");
  CHECK(printable("\xe0\x80\x80 \xef\xbf\xbf \xf0\x80\x80\x80 \xf4\x90\x80\x80") == "\\xe0\\x80\\x80 \\xef\\xbf\\xbf \\xf0\\x80\\x80\\x80 \\xf4\\x90\\x80\\x80");
  CHECK(printable("\xe2\x82") == "\\xe2\\x82");
  CHECK(printable("\xc3") == "\\xc3");
}
