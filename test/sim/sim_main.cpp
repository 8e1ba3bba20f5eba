// Simulation of the page protocols: see sim_world.hpp for strategy and invariants.
//
//   sim [--seed N] [--actions N] [--rounds N]      N random worlds, each with about that many operations
//
// Each world is run once; then its log is replayed record by record, and after every record, as if the server had
// crashed there, the index is checked and compared with the model; every so often a recovered index also goes on
// working. Last, bugs are planted one by one: the same procedure must notice each of them.
#include <cinttypes>
#include <cstring>

#include "sim/sim_world.hpp"

namespace strata::sim {
namespace {

struct Options {
  uint64_t seed = 1;
  uint64_t actions = 1000;
  uint64_t rounds = 6;
};

void random_operation(World& world, bool nested) {
  uint64_t dice = world.random.below(1000);
  if (dice < 660) return world.insert();
  if (dice < 675) return world.maintain();
  if (dice < 685) return world.shrink();
  if (dice < 690) return world.move_any();
  if (dice < 695) return world.change_tier();
  if (dice < 700) return world.build_incremental();
  if (dice < 780) return world.kill_some();
  if (dice < 810) return world.vacuum();
  if (dice < 850) return world.open_search();
  if (dice < 900) return world.continue_search(dice < 870);
  if (dice < 930) return world.reclaim();
  if (dice < 960) return world.flush();
  if (nested && dice < 985) return;
  if (dice < 985) return world.merge();
  return world.train();
}

void run_world(World& world, uint64_t actions) {
  world.pager.read_hook_period = 150;
  world.pager.hook = [&world] {
    // Editors are serialised; a session that would wait for one runs later.
    if (world.pager.is_locked(store::LockName::edit)) return;
    if (world.random.below(3) == 0) random_operation(world, true);
  };
  for (uint64_t i = 0; i < actions; i++) random_operation(world, false);
  world.pager.hook = nullptr;
  while (world.open_search_count()) world.continue_search(true);
}

// A recovered index must go on working: it is swept, sealed, vacuumed and checked.
void go_on(World& world, size_t position, SimPager const& crashed) {
  SimPager pager;
  pager.pages = crashed.pages;
  pager.cold_pages = crashed.cold_pages;
  pager.lock(store::LockName::merge);
  store::RewriteResult result;
  World::must(store::flush(pager, &result), "flush after recovery");
  // A move that the crash broke off can be made again, in either direction.
  store::Manifest manifest{};
  World::must(store::load_manifest(pager, &manifest), "manifest after recovery");
  for (auto const& object : manifest.objects) {
    if (object.disk.kind != store::ObjectKind::segment || object.disk.state != store::ObjectState::live) continue;
    World::must(store::bind_companion(pager, companion_name, 0), "bind_companion after recovery");
    store::Tier const other = object.disk.tier ? store::Tier::hot : store::Tier::cold;
    World::must(store::move_to_tier(pager, object.id(), other, &result), "move_to_tier after recovery");
    break;
  }
  pager.horizon = UINT64_MAX;
  store::ReclaimResult reclaimed;
  World::must(store::reclaim(pager, &reclaimed), "reclaim after recovery");
  uint32_t cut = 0;
  World::must(store::truncate(pager, &cut), "truncate after recovery");
  pager.unlock(store::LockName::merge);
  store::CheckResult checked;
  World::must(store::check(pager, &checked), "check after recovery and work");
  compare_entries(pager, world.rows, position);
}

void replay_world(World& world) {
  SimPager recovered;
  size_t first = 0;  // the log position at which CREATE INDEX ends
  for (size_t i = 0; i < world.pager.log.size(); i++) {
    recovered.replay(world.pager.log[i]);
    if (first == 0) {
      store::MetaDisk meta;
      if (!store::read_meta(recovered, &meta).ok() || meta.generation == 0) continue;
      first = i + 1;
    }
    store::CheckResult checked;
    World::must(store::check(recovered, &checked), "check after recovery");
    compare_entries(recovered, world.rows, i + 1);
    if (i % 61 == 0) go_on(world, i + 1, recovered);
    recovered.free_memory();
  }
}

constexpr uint32_t dims[] = {3, 200, 9000};
constexpr Metric metrics[] = {Metric::l2, Metric::cosine, Metric::inner_product};

// Returns the text of the first violation, or nothing.
std::string run_round(uint64_t seed, uint64_t actions, store::Fault fault, bool quiet) {
  uint32_t dim = dims[seed % 3];
  Metric metric = metrics[seed / 3 % 3];
  uint64_t count = dim > 1000 ? actions / 4 : actions;
  try {
    World world(seed, dim, metric);
    world.pager.planted = fault;
    run_world(world, count);
    replay_world(world);
    if (!quiet)
      std::printf("seed %" PRIu64 ": dim %u, %zu rows, %zu logged actions, every crash point checked\n", seed, dim,
                  world.rows.size(), world.pager.log.size());
    return {};
  } catch (std::runtime_error const& error) {
    return error.what();
  }
}

int run(Options const& options) {
  for (uint64_t round = 0; round < options.rounds; round++) {
    std::string error = run_round(options.seed + round, options.actions, store::Fault::none, false);
    if (error.empty()) continue;
    std::printf("seed %" PRIu64 ": %s\n", options.seed + round, error.c_str());
    return 1;
  }
  struct Canary {
    store::Fault fault;
    char const* name;
  };
  for (Canary canary : {Canary{store::Fault::skip_reconcile, "publish without reconciling delete bits"},
                        Canary{store::Fault::skip_fence, "seal without a fence"},
                        Canary{store::Fault::reclaim_early, "reclaim before the horizon"},
                        Canary{store::Fault::truncate_early, "truncate without waiting for the horizon"}}) {
    std::string error;
    uint64_t tried = 0;
    for (; error.empty() && tried < 40; tried++)
      error = run_round(options.seed + 3 * tried, options.actions, canary.fault, true);
    if (error.empty()) {
      std::printf("planted bug was not noticed: %s\n", canary.name);
      return 1;
    }
    std::printf("planted bug noticed after %" PRIu64 " worlds: %s: %s\n", tried, canary.name, error.c_str());
  }
  return 0;
}

}  // namespace
}  // namespace strata::sim

int main(int argc, char** argv) {
  strata::sim::Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (!std::strcmp(argv[i], "--seed"))
      options.seed = value;
    else if (!std::strcmp(argv[i], "--actions"))
      options.actions = value;
    else if (!std::strcmp(argv[i], "--rounds"))
      options.rounds = value;
    else
      return std::fprintf(stderr, "usage: sim [--seed N] [--actions N] [--rounds N]\n"), 2;
  }
  return strata::sim::run(options);
}
