// What the planner and the maintenance trigger want to know about an index, from the manifest and the calibration.
#pragma once
#include "core/policy/stop_model.hpp"
#include "pg/page/pg_pager.hpp"
#include "store/manifest.hpp"
#include "store/shape.hpp"

namespace strata::pg {

struct IndexStats {
  uint64_t generation;    // of the manifest these numbers come from
  uint64_t listed_rows;   // of segments with inverted lists
  uint64_t flat_rows;     // of segments without
  uint64_t growing_rows;  // room in the growing objects: an upper bound of their rows
  uint64_t growing_size;  // bytes of the growing objects, room included
  int64_t growing_since;  // when the oldest growing object came to be; 0 when there is none
  uint32_t list_count;    // over all epochs in use
  uint32_t segment_count;
  uint32_t waiting_count;  // frozen and retired objects: something for maintenance to do
  uint64_t newest_retired_xid;
  uint32_t block_size;   // bytes of a block of scan codes
  uint32_t refine_size;  // bytes of a refine row
  uint32_t growing_size_per_row;
  bool has_model;               // the codebook in force was calibrated
  policy::StopModelDisk model;  // its stop rule
  bool spills;                  // its rows lie in two lists each
};

// Pure: counts what a manifest says; neither the model nor whether the codebook spills.
IndexStats stats_of(store::Manifest const& manifest);

// The same, kept in the relcache as long as the manifest stays the same: one page read a call.
IndexStats index_stats(Relation index);

}  // namespace strata::pg
