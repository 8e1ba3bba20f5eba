// The settings of strata (GUCs with the prefix "strata."), read from here by everyone.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

enum class IterativeScan : int { strict = 0, relaxed = 1 };

// Bits.
enum class SearchTiers : int { hot = 1, cold = 2, all = 3 };

struct Settings {
  double recall_target;
  int probes;          // 0: the recall target decides
  int iterative_scan;  // IterativeScan
  int max_scan_tuples;
  int search_tiers;            // SearchTiers
  int insert_buffer_size_mb;   // over all indexes of the server
  int auto_flush_interval_ms;  // least time between two looks at whether an index wants maintenance
  int simd_level;
  int max_workers;
  bool sample_queries;
  bool track_scan_timing;
  bool track_access;            // scans count where they find their rows
  int cache_size;               // kB, of one backend
  char* maintenance_window;     // "22:00-06:00"; empty: always
  int maintenance_io_limit_kb;  // a second, of one worker; 0: none
  int gc_drop_tolerance_s;      // how long soft-dropped tables are kept
  char* debug_wait_at;          // a phase of maintenance; empty: none
  int version_lock_timeout_ms;  // 0: for ever
  int version_drop_delay_s;     // how long a dropped version can be taken back
  bool copy_into_segments;      // COPY FROM collects rows as an import does
  bool count_versions;          // new versions get count and checksum in the background
  bool version_command;         // a command on versions runs: its own DDL needs no following
};

extern Settings settings;

// Called once, when the library is loaded.
void define_settings();

}  // namespace strata::pg
