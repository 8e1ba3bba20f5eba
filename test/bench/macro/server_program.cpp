#include "macro/server_program.hpp"

#include <csignal>
#include <cstdlib>
#include <ostream>

#include "macro/private_server.hpp"
#include "macro/progress.hpp"
#include "macro/report.hpp"

namespace strata::bench {
namespace {

void on_signal(int) {
  interrupted = true;
  PrivateServer::interrupt();
}

}  // namespace

void install_signal_handlers() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

void print_origin(std::ostream& out) {
  char const* const commit = std::getenv("STRATA_BENCH_COMMIT");
  out << "commit: " << (commit == nullptr ? "unknown" : commit) << "\n";
  for (auto const& [name, value] : machine_facts()) out << name << ": " << value << "\n";
}

}  // namespace strata::bench
