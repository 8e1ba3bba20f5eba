// Mixed inserts, updates, deletes and searches for hours, one index after the other: see ../README.md.
#include <fstream>
#include <iostream>
#include <optional>

#include "macro/failure.hpp"
#include "macro/pg_client.hpp"
#include "macro/program.hpp"
#include "macro/progress.hpp"
#include "macro/server_program.hpp"
#include "soak/soak.hpp"

namespace strata::bench {
namespace {

int run(int argc, char** argv) {
  if (asks_for_help(argc, argv)) {
    std::cout << soak_usage();
    return 0;
  }
  SoakOptions const options = parse_soak_options(argc, argv);
  install_signal_handlers();

  std::optional<PrivateServer> server;
  std::string dsn = options.dsn;
  if (dsn.empty()) {
    progress("starting a private server");
    server.emplace(options.server);
    dsn = server->dsn();
  }
  std::cout << "command: " << options.command_line << "\n";
  print_origin(std::cout);
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
  return strata::bench::run_program("churn", [&] { return strata::bench::run(argc, argv); });
}
