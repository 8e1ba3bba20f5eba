#include "core/files/format.hpp"

#include <iterator>

#include "core/base/check.hpp"
#include "core/base/limits.hpp"
#include "core/files/little_endian.hpp"

#include "core/base/core_only.hpp"

namespace strata::files {
namespace {

struct FormatName {
  Format format;
  char const* name;
};
constexpr FormatName format_names[] = {{Format::fvecs, "fvecs"},
                                       {Format::bvecs, "bvecs"},
                                       {Format::ivecs, "ivecs"},
                                       {Format::npy, "npy"},
                                       {Format::hdf5, "hdf5"}};

struct TypeName {
  Element element;
  char const* name;
};
// The first name of an element is the one that is written.
constexpr TypeName type_names[] = {{Element::f32, "<f4"}, {Element::f16, "<f2"}, {Element::f64, "<f8"},
                                   {Element::u8, "|u1"},  {Element::i8, "|i1"},  {Element::i32, "<i4"},
                                   {Element::u8, "<u1"},  {Element::i8, "<i1"}};

constexpr std::string_view npy_magic("\x93NUMPY", 6);
constexpr std::string_view hdf5_magic("\x89HDF\r\n\x1a\n", 8);

// Whether the file consists of rows of one dimension in this format, as far as the head shows.
bool rows_fit(std::string_view head, uint64_t file_size, Format format) {
  if (head.size() < 4) return false;
  uint32_t const dim = load_little<uint32_t>(head.data());
  if (dim < 1 || dim > vector_dim_max) return false;
  uint64_t const row_size = 4 + uint64_t{dim} * element_size(vecs_element(format));
  if (file_size % row_size != 0) return false;
  for (uint64_t at = 0; at + 4 <= head.size(); at += row_size) {
    if (load_little<uint32_t>(head.data() + at) != dim) return false;
  }
  return true;
}

}  // namespace

size_t element_size(Element element) {
  switch (element) {
    case Element::u8:
    case Element::i8:
      return 1;
    case Element::f16:
      return 2;
    case Element::i32:
    case Element::f32:
      return 4;
    case Element::f64:
      return 8;
  }
  STRATA_ASSERT(false);
  return 1;
}

char const* format_name(Format format) {
  for (FormatName const& row : format_names)
    if (row.format == format) return row.name;
  return "";
}

bool parse_format(std::string_view name, Format* format) {
  for (FormatName const& row : format_names) {
    if (name != row.name) continue;
    *format = row.format;
    return true;
  }
  return false;
}

Element vecs_element(Format format) {
  STRATA_ASSERT(format == Format::fvecs || format == Format::bvecs || format == Format::ivecs);
  return format == Format::fvecs ? Element::f32 : format == Format::bvecs ? Element::u8 : Element::i32;
}

char const* npy_type_name(Element element) {
  for (TypeName const& row : type_names)
    if (row.element == element) return row.name;
  return "";
}

bool parse_npy_type(std::string_view name, Element* element) {
  for (TypeName const& row : type_names) {
    if (name != row.name) continue;
    *element = row.element;
    return true;
  }
  return false;
}

bool recognise(std::string_view name, std::string_view head, uint64_t file_size, Format* format) {
  *format = Format::npy;
  if (head.substr(0, npy_magic.size()) == npy_magic) return true;
  *format = Format::hdf5;
  if (head.substr(0, hdf5_magic.size()) == hdf5_magic) return true;
  size_t const dot = name.rfind('.');
  std::string_view const ending = dot == std::string_view::npos ? std::string_view{} : name.substr(dot + 1);
  if (parse_format(ending, format)) return true;
  // What could be both is taken for floats: the dimension of every row stands where the floats say it does.
  for (Format const candidate : {Format::fvecs, Format::bvecs}) {
    *format = candidate;
    if (rows_fit(head, file_size, candidate)) return true;
  }
  return false;
}

}  // namespace strata::files
