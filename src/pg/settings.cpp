#include "pg/settings.hpp"

#include "core/math/simd.hpp"
#include "pg/worker/progress.hpp"
#include "pg/worker/window.hpp"

namespace strata::pg {

Settings settings;

namespace {

constexpr int simd_auto = -1;

config_enum_entry const iterative_scan_names[] = {
    {"strict", int(IterativeScan::strict), false},
    {"relaxed", int(IterativeScan::relaxed), false},
    {nullptr, 0, false},
};

config_enum_entry const search_tiers_names[] = {
    {"hot,cold", int(SearchTiers::all), false},
    {"hot", int(SearchTiers::hot), false},
    {"cold", int(SearchTiers::cold), false},
    {"cold,hot", int(SearchTiers::all), true},
    {"hot, cold", int(SearchTiers::all), true},
    {"cold, hot", int(SearchTiers::all), true},
    {nullptr, 0, false},
};

config_enum_entry const simd_level_names[] = {
    {"auto", simd_auto, false},
    {"scalar", int(math::SimdLevel::scalar), false},
    {"avx2", int(math::SimdLevel::avx2), false},
    {"avx512", int(math::SimdLevel::avx512), false},
    {"neon", int(math::SimdLevel::neon), false},
    {nullptr, 0, false},
};

math::SimdLevel wanted_level(int value) {
  return value == simd_auto ? math::simd_level_best() : static_cast<math::SimdLevel>(value);
}

bool check_simd_level(int* value, void** /* extra */, GucSource /* source */) {
  math::SimdLevel const current = math::simd_level();
  if (!math::set_simd_level(wanted_level(*value))) {
    GUC_check_errdetail("This machine cannot run these instructions.");
    return false;
  }
  math::set_simd_level(current);
  return true;
}

void assign_simd_level(int value, void* /* extra */) {
  math::set_simd_level(wanted_level(value));
}

bool check_window(char** value, void** /* extra */, GucSource /* source */) {
  Window window;
  if (parse_window(*value, &window)) return true;
  GUC_check_errdetail("A window is written as two times of the day, as in \"22:00-06:00\"; empty means always.");
  return false;
}

bool check_phase(char** value, void** /* extra */, GucSource /* source */) {
  return !*value || !**value || is_phase_name(*value);
}

void define_search_settings() {
  DefineCustomRealVariable("strata.recall_target", "Share of the true nearest rows that an index scan aims to find.",
                           "Higher values scan more of the index.", &settings.recall_target, 0.95, 0.5, 0.9999,
                           PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomIntVariable("strata.probes", "Number of inverted lists that an index scan reads first.",
                          "Zero leaves it to strata.recall_target.", &settings.probes, 0, 0, 1 << 20, PGC_USERSET, 0,
                          nullptr, nullptr, nullptr);
  DefineCustomEnumVariable(
      "strata.iterative_scan", "What a scan that goes on does with rows nearer than the last one returned.",
      "\"strict\" leaves them out, so that rows come in exact order; \"relaxed\" returns them late.",
      &settings.iterative_scan, int(IterativeScan::strict), iterative_scan_names, PGC_USERSET, 0, nullptr, nullptr,
      nullptr);
  DefineCustomIntVariable("strata.max_scan_tuples", "Number of rows after which an index scan ends.",
                          "Zero means no limit: a scan ends when the executor has enough or no row is left.",
                          &settings.max_scan_tuples, 0, 0, INT_MAX, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomEnumVariable("strata.search_tiers", "Tiers whose segments a search by distance looks into.",
                           "A search that leaves rows out says so in a notice.", &settings.search_tiers,
                           int(SearchTiers::all), search_tiers_names, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomBoolVariable("strata.sample_queries", "Keeps some recent queries of each index.",
                           "strata.measure_recall() of the table's owner asks them again. At most ten a second and "
                           "session, at most 256 and 4 MB an index.",
                           &settings.sample_queries, false, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomBoolVariable("strata.track_scan_timing", "Measures where the time of index scans goes.",
                           "strata.last_scan() shows it. EXPLAIN (ANALYZE) measures without this setting.",
                           &settings.track_scan_timing, false, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomBoolVariable("strata.track_access", "Counts which segments of an index searches find their rows in.",
                           "Shown in strata.stat_access.", &settings.track_access, true, PGC_SUSET, 0, nullptr, nullptr,
                           nullptr);
  DefineCustomIntVariable(
      "strata.cache_size", "Memory in which a session keeps the codebooks of the indexes it searches.",
      "A codebook takes about 2.2 bytes a dimension and list. What does not fit is read from the "
      "index again by every search.",
      &settings.cache_size, 64 * 1024, 0, MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB, nullptr, nullptr, nullptr);
  DefineCustomEnumVariable("strata.simd_level", "Instruction set of the distance and scan kernels.",
                           "\"auto\" takes the best that this machine has.", &settings.simd_level, simd_auto,
                           simd_level_names, PGC_USERSET, 0, check_simd_level, assign_simd_level, nullptr);
}

void define_maintenance_settings() {
  DefineCustomIntVariable("strata.insert_buffer_size", "Size of the growing segments of all indexes together.",
                          "When it is exceeded, growing segments are sealed before they reach their own limit.",
                          &settings.insert_buffer_size_mb, 1024, 1, 1 << 20, PGC_SIGHUP, GUC_UNIT_MB, nullptr, nullptr,
                          nullptr);
  DefineCustomIntVariable("strata.auto_flush_interval",
                          "Least time between two looks at whether an index wants to be sealed or merged.",
                          "Zero: this session starts no maintenance.", &settings.auto_flush_interval_ms, 1000, 0,
                          3600 * 1000, PGC_USERSET, GUC_UNIT_MS, nullptr, nullptr, nullptr);
  DefineCustomIntVariable("strata.max_workers", "Number of background workers that maintain indexes at a time.",
                          "Zero leaves all maintenance to VACUUM and to the functions that do it by hand.",
                          &settings.max_workers, 2, 0, 64, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
  DefineCustomStringVariable(
      "strata.maintenance_window", "Hours of the day in which indexes are trained, merged and compacted by themselves.",
      "As in \"22:00-06:00\", in the server's time zone. Empty: always. Growing segments are sealed at any time.",
      &settings.maintenance_window, "", PGC_SIGHUP, 0, check_window, nullptr, nullptr);
  DefineCustomIntVariable("strata.maintenance_io_limit",
                          "Amount that one background worker may read and write in a second.", "Zero means no limit.",
                          &settings.maintenance_io_limit_kb, 0, 0, MAX_KILOBYTES, PGC_SIGHUP, GUC_UNIT_KB, nullptr,
                          nullptr, nullptr);
  DefineCustomIntVariable("strata.gc_drop_tolerance",
                          "Time for which a table dropped with strata.drop_soft() can be brought back.",
                          "Afterwards a background worker removes it.", &settings.gc_drop_tolerance_s, 24 * 3600, 0,
                          INT_MAX / 1000, PGC_SIGHUP, GUC_UNIT_S, nullptr, nullptr, nullptr);
  DefineCustomStringVariable("strata.debug_wait_at",
                             "Phase of maintenance at which a process waits for advisory lock 5354.",
                             "For tests of what happens in between.", &settings.debug_wait_at, "", PGC_SUSET,
                             GUC_NOT_IN_SAMPLE, check_phase, nullptr, nullptr);
}

void define_version_settings() {
  DefineCustomIntVariable("strata.version_lock_timeout",
                          "How long a command on versions waits for the writers of the table.",
                          "Zero waits for ever. A smaller lock_timeout wins.", &settings.version_lock_timeout_ms, 5000,
                          0, INT_MAX, PGC_USERSET, GUC_UNIT_MS, nullptr, nullptr, nullptr);
  DefineCustomIntVariable("strata.version_drop_delay", "How long a dropped version can be taken back.",
                          "Afterwards its rows are removed in the background.", &settings.version_drop_delay_s, 600, 0,
                          INT_MAX, PGC_USERSET, GUC_UNIT_S, nullptr, nullptr, nullptr);
  DefineCustomBoolVariable(
      "strata.copy_into_segments", "Lets COPY FROM write the rows of ivf indexes as segments.",
      "As strata.import_file() does. For large copies, into tables without triggers that run queries.",
      &settings.copy_into_segments, false, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomBoolVariable(
      "strata.count_versions", "Counts new versions and takes their checksums in the background.",
      "strata.verify_version() compares with them. Reads the table once for the versions made since.",
      &settings.count_versions, true, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomBoolVariable("strata.version_command", "A command on versions is running.", nullptr,
                           &settings.version_command, false, PGC_USERSET,
                           GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE | GUC_NO_RESET_ALL, nullptr,
                           nullptr, nullptr);
}

}  // namespace

void define_settings() {
  define_search_settings();
  define_maintenance_settings();
  define_version_settings();
  MarkGUCPrefixReserved("strata");
}

}  // namespace strata::pg
