// Files of vectors: which formats there are, which elements they hold, and how a file is recognised.
//   fvecs, bvecs, ivecs   each row: int32 dimension, then float32, uint8 or int32 elements
//   npy                   NumPy's format 1 to 3, C order, two axes: rows, dimension
//   hdf5                  recognised only; the client program reads it
// All of them are little-endian.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace strata::files {

enum class Format : uint8_t { fvecs, bvecs, ivecs, npy, hdf5 };
enum class Element : uint8_t { u8, i8, i32, f16, f32, f64 };

size_t element_size(Element element);  // bytes
char const* format_name(Format format);
bool parse_format(std::string_view name, Format* format);  // false when there is no such format
Element vecs_element(Format format);                       // of fvecs, bvecs, ivecs

// The name of an element type in an npy header, "<f4"; and back, false when it is not supported.
char const* npy_type_name(Element element);
bool parse_npy_type(std::string_view name, Element* element);

// Bytes from the start of a file that recognise() looks at, if there are that many.
constexpr size_t recognise_size = size_t{64} << 10;

// Finds the format by the first bytes, then by the ending of the name, then by whether the rows of a vecs format fit.
// `head` holds the first min(file_size, recognise_size) bytes. False when nothing fits.
bool recognise(std::string_view name, std::string_view head, uint64_t file_size, Format* format);

}  // namespace strata::files
