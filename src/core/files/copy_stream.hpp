// Rows in the binary format of COPY (PostgreSQL's documentation of COPY, "Binary Format"): big-endian, a signature,
// then for each row the number of its fields and each field with its length, then -1.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/files/elements.hpp"

namespace strata::files {

constexpr std::string_view copy_head("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", 19);
constexpr std::string_view copy_tail("\xff\xff", 2);

// A row of an optional id and a vector, in this order.
struct CopyColumns {
  uint32_t id_size = 0;  // bytes: 0 (no id), 2, 4 or 8
  Number number = Number::f32;
};

size_t copy_row_size(CopyColumns const& columns, uint32_t dim);

// Writes exactly copy_row_size() bytes. Requires: the id fits, the floats passed row_to_floats() for the column.
void write_copy_row(CopyColumns const& columns, int64_t id, uint32_t dim, float const* floats, void* out);

// Whether an integer of id_size bytes can hold the id.
bool id_fits(int64_t id, uint32_t id_size);

}  // namespace strata::files
