// What ends the program with a message and an exit status.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace strata::client {

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

// The command line is wrong.
struct UsageFailure : Failure {
  using Failure::Failure;
};

// The user wants it to end (SIGINT, SIGTERM).
struct Interrupted : Failure {
  using Failure::Failure;
};

// Set by the handlers of these signals.
extern volatile int interrupting_signal;
inline void check_interrupted() {
  if (interrupting_signal != 0) throw Interrupted("interrupted");
}

}  // namespace strata::client
