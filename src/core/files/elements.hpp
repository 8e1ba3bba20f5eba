// Elements of file rows to and from the numbers of vectors, with the checks that every vector needs.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/files/fault.hpp"
#include "core/files/format.hpp"
#include "core/files/reader.hpp"

namespace strata::files {

// What a column holds; halves are narrower than floats, so a number may fit the one and not the other.
enum class Number : uint8_t { f32, f16 };

// The elements of a row of `dim` as floats. False, with a fault that names the element, when one is not finite or does
// not fit the column.
bool row_to_floats(Row const& row, Element element, uint32_t dim, Number column, float* floats, Fault* fault);

// Appends a row to a file: with its length in fvecs, bvecs and ivecs. Returns the bytes written, at most
// file_row_size(); 0 with a fault when an element is no integer of a bvecs or ivecs file.
size_t file_row_size(Format format, Element element, uint32_t dim);
size_t write_row(Format format, Element element, uint64_t number, uint32_t dim, float const* floats, void* out,
                 Fault* fault);

}  // namespace strata::files
