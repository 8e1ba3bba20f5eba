// Every limit of the product that is not a setting, in one place, with the relations between them.
#pragma once
#include <cstdint>

namespace strata {

constexpr uint32_t vector_dim_max = 16000;         // dimensions of vector and halfvec, and of an indexed column
constexpr uint32_t sparse_dim_max = 1000000000;    // dimensions of sparsevec
constexpr uint32_t sparse_nonzero_max = 16000;     // elements a sparsevec stores
constexpr uint32_t padded_dim_max = 16000;         // a multiple of padding_unit
constexpr uint32_t padding_unit = 16;              // the codes' dimension is a multiple of this
constexpr uint32_t list_count_max = 65536;         // inverted lists of one codebook epoch
constexpr uint32_t filter_column_count_max = 31;   // columns that the meta page has room for
constexpr uint32_t indexed_column_count_max = 16;  // key columns of an index after the vector
static_assert(padded_dim_max % padding_unit == 0 && padded_dim_max >= vector_dim_max);
static_assert(indexed_column_count_max <= filter_column_count_max);

}  // namespace strata
