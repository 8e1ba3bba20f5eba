#include "pg/am/am_options.hpp"

#include "pg/settings.hpp"
#include "pg/worker/table_jobs.hpp"
#include "store/train.hpp"

namespace strata::pg {
namespace {

constexpr int segment_size_default_mb = 1024;
constexpr int insert_buffer_default_mb = 128;
constexpr int min_seal_rows_default = 1000;
constexpr int max_growing_age_default_s = 600;
constexpr double compact_threshold_default = 0.1;

relopt_kind option_kind;

// Not constant: the server declares it so.
relopt_enum_elt_def rerank_names[] = {
    {"heap", int(Rerank::heap)},
    {"half", int(Rerank::half)},
    {"full", int(Rerank::full)},
    {nullptr, 0},
};

relopt_enum_elt_def spill_names[] = {
    {"auto", int(store::Spill::automatic)},
    {"on", int(store::Spill::on)},
    {"off", int(store::Spill::off)},
    {nullptr, 0},
};

}  // namespace

void define_index_options() {
  // None of them changes what lies in an index that is there: the lock of the weakest kind suffices.
  constexpr LOCKMODE lock = ShareUpdateExclusiveLock;
  option_kind = add_reloption_kind();
  add_int_reloption(option_kind, "segment_size", "Size in MB from which on a segment is not merged any more",
                    segment_size_default_mb, 1, 1024 * 1024, lock);
  add_int_reloption(option_kind, "insert_buffer", "Size in MB of the growing segment from which on it is sealed",
                    insert_buffer_default_mb, 1, 64 * 1024, lock);
  add_int_reloption(option_kind, "min_seal_rows", "Rows that the growing segment must have to be sealed by its age",
                    min_seal_rows_default, 1, INT_MAX, lock);
  add_int_reloption(option_kind, "max_growing_age", "Age in seconds at which the growing segment is sealed",
                    max_growing_age_default_s, 1, INT_MAX / 1000, lock);
  add_real_reloption(option_kind, "compact_threshold",
                     "Share of deleted rows from which on a segment is rewritten without them",
                     compact_threshold_default, 0.0, 1.0, lock);
  add_enum_reloption(option_kind, "rerank", "Where searches take exact distances from; fixed when the index is built",
                     rerank_names, int(Rerank::heap), "Valid values are \"heap\", \"half\" and \"full\".", lock);
  add_enum_reloption(option_kind, "spill",
                     "Whether rows lie in a second list, too; takes effect with the next codebook", spill_names,
                     int(store::Spill::automatic), "Valid values are \"auto\", \"on\" and \"off\".", lock);
}

IndexOptions index_options(Relation index) {
  if (index->rd_options) return *reinterpret_cast<IndexOptions const*>(index->rd_options);
  IndexOptions options{};
  options.segment_size_mb = segment_size_default_mb;
  options.insert_buffer_mb = insert_buffer_default_mb;
  options.min_seal_rows = min_seal_rows_default;
  options.max_growing_age_s = max_growing_age_default_s;
  options.compact_threshold = compact_threshold_default;
  return options;
}

bytea* am_options(Datum reloptions, bool validate) {
  // Not initialised in braces: newer versions have more members, all of them zero here.
  relopt_parse_elt table[7] = {};
  int count = 0;
  auto add = [&](char const* name, relopt_type type, size_t offset) {
    table[count].optname = name;
    table[count].opttype = type;
    table[count++].offset = int(offset);
  };
  add("segment_size", RELOPT_TYPE_INT, offsetof(IndexOptions, segment_size_mb));
  add("insert_buffer", RELOPT_TYPE_INT, offsetof(IndexOptions, insert_buffer_mb));
  add("min_seal_rows", RELOPT_TYPE_INT, offsetof(IndexOptions, min_seal_rows));
  add("max_growing_age", RELOPT_TYPE_INT, offsetof(IndexOptions, max_growing_age_s));
  add("compact_threshold", RELOPT_TYPE_REAL, offsetof(IndexOptions, compact_threshold));
  add("rerank", RELOPT_TYPE_ENUM, offsetof(IndexOptions, rerank));
  add("spill", RELOPT_TYPE_ENUM, offsetof(IndexOptions, spill));
  // Somebody sets them: what they make due, as another compact_threshold does, begins when the transaction has ended.
  if (validate && DatumGetPointer(reloptions) && settings.auto_flush_interval_ms > 0) request_visit();
  return static_cast<bytea*>(build_reloptions(reloptions, validate, option_kind, sizeof(IndexOptions), table, count));
}

}  // namespace strata::pg
