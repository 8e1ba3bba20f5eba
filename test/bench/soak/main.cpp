// Mixed inserts, updates, deletes and searches for hours, one index after the other: see ../README.md.
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>

#include "macro/failure.hpp"
#include "macro/progress.hpp"
#include "macro/report.hpp"
#include "soak/soak.hpp"

namespace strata::bench {
namespace {

void on_signal(int) {
  interrupted = true;
  PrivateServer::interrupt();
}

int run(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--help" || std::string(argv[i]) == "-h") {
      std::cout << soak_usage();
      return 0;
    }
  }
  SoakOptions const options = parse_soak_options(argc, argv);
  struct sigaction action = {};
  action.sa_handler = on_signal;
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);

  std::optional<PrivateServer> server;
  std::string dsn = options.dsn;
  if (dsn.empty()) {
    progress("starting a private server");
    server.emplace(options.server);
    dsn = server->dsn();
  }
  char const* commit = std::getenv("STRATA_BENCH_COMMIT");
  std::cout << "command: " << options.command_line << "\ncommit: " << (commit == nullptr ? "unknown" : commit) << "\n";
  for (auto const& [name, value] : machine_facts()) std::cout << name << ": " << value << "\n";
  std::cout << "server: " << Connection(dsn, "").value("SELECT version()")
            << "\nsettings: " << (server ? server->settings_text() : "of the server given by --dsn") << "\n\n";
  std::vector<SoakResult> results;
  bool all_good = true;
  auto report = [&] {
    std::cout << "\n" << soak_summary(results, options.dim) << std::endl;
    if (!options.csv_path.empty()) std::ofstream(options.csv_path) << soak_csv(results, options.dim);
    for (SoakResult const& result : results) all_good = all_good && result.failure.empty();
  };
  if (options.slice_seconds > 0) {
    results = run_soaks_in_turns(options, dsn);
    report();
  } else {
    for (std::string const& engine : options.engines) {
      check_interrupted();
      results.push_back(run_soak(engine, options, dsn));
      report();
    }
  }
  return all_good ? 0 : 1;
}

}  // namespace
}  // namespace strata::bench

int main(int argc, char** argv) {
  try {
    return strata::bench::run(argc, argv);
  } catch (std::exception const& error) {
    std::cerr << "churn: " << error.what() << std::endl;
    return 1;
  }
}
