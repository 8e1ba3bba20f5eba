// strata-file: vectors from files into tables and back, over a connection.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "commands.hpp"
#include "failure.hpp"

namespace strata::client {

volatile int interrupting_signal = 0;

namespace {

enum ExitStatus { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_interrupted = 130 };

void on_signal(int number) {
  interrupting_signal = number;
}

int run(std::vector<std::string> const& arguments) {
  Options const options = parse_options(arguments);
  if (options.command == Command::help || options.command == Command::version) {
    std::fputs(options.command == Command::help ? help_text : "strata-file 0.1\n", stdout);
    return exit_done;
  }
  Connection connection(options);
  if (options.command == Command::import_rows)
    import_rows(options, connection);
  else
    export_rows(options, connection);
  return exit_done;
}

}  // namespace
}  // namespace strata::client

int main(int count, char** words) {
  using namespace strata::client;
  // We lock files ourselves; HDF5 would see the lock and give up.
  setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1);
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return run(std::vector<std::string>(words + 1, words + count));
  } catch (UsageFailure const& failure) {
    std::fprintf(stderr, "strata-file: %s\nTry strata-file --help.\n", failure.what());
    return exit_usage;
  } catch (Interrupted const&) {
    std::fprintf(stderr, "strata-file: interrupted; what was not committed is undone\n");
    return exit_interrupted;
  } catch (std::exception const& failure) {
    std::fprintf(stderr, "strata-file: %s\n", failure.what());
    return exit_failed;
  }
}
