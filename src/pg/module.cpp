// Loading of the library: the order of registrations, nothing else.
#include "pg/postgres.hpp"

#include "pg/am/am_options.hpp"
#include "pg/am/bulk_insert.hpp"
#include "pg/am/plan_junk.hpp"
#include "pg/am/scan_limit.hpp"
#include "pg/am/scan_report.hpp"
#include "pg/compat.hpp"
#include "pg/files/bulk_copy.hpp"
#include "pg/page/object_cache.hpp"
#include "pg/page/recent_buffers.hpp"
#include "pg/rows/tier_keys.hpp"
#include "pg/settings.hpp"
#include "pg/version/at_rewrite.hpp"
#include "pg/version/branch_guard.hpp"
#include "pg/version/collector.hpp"
#include "pg/version/history_writer.hpp"
#include "pg/version/versioned_table.hpp"
#include "pg/worker/launcher.hpp"
#include "pg/worker/table_jobs.hpp"

extern "C" {
PG_MODULE_MAGIC_EXT(.name = "strata", .version = "0.1");
extern PGDLLEXPORT void _PG_init(void);
}

void _PG_init(void) {
  strata::pg::define_settings();
  strata::pg::define_index_options();
  strata::pg::allocate_recent_buffers();
  strata::pg::register_object_cache();
  strata::pg::register_scan_limits();
  strata::pg::register_plan_junk();
  strata::pg::register_explain();
  strata::pg::register_launcher();
  strata::pg::register_versioned_tables();
  strata::pg::register_history_writers();
  strata::pg::register_collector();
  strata::pg::register_visit_requests();
  strata::pg::register_tier_keys();
  strata::pg::register_at_rewrite();
  strata::pg::register_branch_guard();
  strata::pg::register_bulk_insert();
  strata::pg::register_bulk_copy();
}
