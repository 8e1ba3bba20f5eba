// Storage parameters of an ivf index: CREATE INDEX ... WITH (name = value).
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Where exact distances come from: the table; the table, as far as copies of 16 bits a dimension in the index leave the
// order open; copies of the vectors in the index. Of vectors of 16 bits a dimension half is full.
enum class Rerank : int { heap, half, full };

struct IndexOptions {
  int32 vl_len_;  // varlena header: the server keeps the struct as a bytea
  int segment_size_mb;
  int insert_buffer_mb;
  int min_seal_rows;
  int max_growing_age_s;
  int rerank;  // Rerank; of an index that is there MetaDisk.copy_size and copy_kind count
  int spill;   // store::Spill, of codebooks to come
  double compact_threshold;
};

// Registers the parameters; called once, when the library is loaded.
void define_index_options();

// The options of an index, with the defaults for what is not set.
IndexOptions index_options(Relation index);

bytea* am_options(Datum reloptions, bool validate);

}  // namespace strata::pg
