// What stops the program with a message for the person who started it: bad input, a missing program, a server error.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace strata::bench {

template <class... Parts>
std::string concat(Parts const&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

struct Failure : std::runtime_error {
  template <class... Parts>
  explicit Failure(Parts const&... parts) : std::runtime_error(concat(parts...)) {}
};

}  // namespace strata::bench
