#include "macro/readers.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "macro/byte_source.hpp"
#include "macro/elements.hpp"
#include "macro/failure.hpp"

namespace strata::bench {
namespace {

constexpr uint32_t max_dim = 65536;
constexpr size_t chunk_bytes = size_t(4) << 20;

std::string type_of(std::string const& path, std::string const& told) {
  if (!told.empty()) return told;
  std::string const name = strip_xz(path);
  size_t const dot = name.rfind('.');
  std::string ending = dot == std::string::npos ? "" : name.substr(dot + 1);
  if (ending == "fbin" || ending == "u8bin") {
    throw Failure("\"", path, "\": the format ", ending, " is not supported; convert it or skip its 8-byte header");
  }
  return ending;
}

void check_dim(uint64_t dim, std::string const& path) {
  if (dim == 0 || dim > max_dim) throw Failure("\"", path, "\": dimension ", dim, " is not in 1 .. ", max_dim);
}

void check_told_dim(uint32_t dim, ReadOptions const& options, std::string const& path) {
  if (options.dim != 0 && options.dim != dim) {
    throw Failure("\"", path, "\" has dimension ", dim, ", but --dim says ", options.dim);
  }
}

void check_finite(Matrix const& matrix, uint64_t first_row, std::string const& path) {
  for (uint64_t row = first_row; row < matrix.rows(); ++row) {
    float const* values = matrix.row(row);
    for (uint32_t i = 0; i < matrix.dim(); ++i) {
      if (!std::isfinite(values[i])) throw Failure("\"", path, "\": row ", row, " holds NaN or infinity");
    }
  }
}

// Rows of one element type without any header between them. `expected_rows` of 0: until the end of the data.
Matrix read_plain_rows(ByteSource& source, Element element, uint32_t dim, uint64_t expected_rows, uint64_t row_limit) {
  Matrix matrix;
  matrix.set_dim(dim);
  size_t const row_bytes = dim * element_size(element);
  size_t const rows_per_chunk = std::max<size_t>(1, chunk_bytes / row_bytes);
  std::vector<unsigned char> chunk(rows_per_chunk * row_bytes);
  uint64_t wanted = row_limit == 0 ? UINT64_MAX : row_limit;
  if (expected_rows != 0) wanted = std::min(wanted, expected_rows);
  matrix.reserve(std::min<uint64_t>(wanted, source.known_size() / row_bytes));
  uint64_t room = matrix.rows();
  while (matrix.rows() < wanted) {
    size_t const ask = size_t(std::min<uint64_t>(rows_per_chunk, wanted - matrix.rows())) * row_bytes;
    size_t const got = source.read(chunk.data(), ask);
    if (got % row_bytes != 0) {
      throw Failure("\"", source.path(), "\" ends inside row ", matrix.rows() + got / row_bytes, ": rows take ",
                    row_bytes, " bytes; is the dimension (", dim, ") or the element type wrong?");
    }
    uint64_t const first = matrix.rows();
    uint64_t const rows = got / row_bytes;
    if (first + rows > room) {
      room = std::max(first + rows, room + room / 2);
      matrix.reserve(room);
    }
    matrix.resize(first + rows);
    convert_elements(element, chunk.data(), size_t(rows) * dim, matrix.row(first));
    check_finite(matrix, first, source.path());
    if (got < ask) break;
  }
  if (expected_rows != 0 && row_limit == 0) {
    if (matrix.rows() < expected_rows) {
      throw Failure("\"", source.path(), "\" promises ", expected_rows, " rows, but ends after ", matrix.rows());
    }
    if (unsigned char extra; source.read(&extra, 1) != 0) {
      throw Failure("\"", source.path(), "\" goes on after the ", expected_rows, " rows that it promises");
    }
  }
  return matrix;
}

Matrix read_vecs(ByteSource& source, Element element, ReadOptions const& options) {
  Matrix matrix;
  std::vector<unsigned char> bytes;
  uint64_t const wanted = options.row_limit == 0 ? UINT64_MAX : options.row_limit;
  uint64_t room = 0;
  while (matrix.rows() < wanted) {
    uint64_t const index = matrix.rows();
    int32_t dim = 0;
    size_t const got = source.read(&dim, sizeof dim);
    if (got == 0) break;
    if (got < sizeof dim) throw Failure("\"", source.path(), "\" ends inside the length of row ", index);
    if (index == 0) {
      check_dim(dim < 0 ? 0 : uint64_t(dim), source.path());
      check_told_dim(uint32_t(dim), options, source.path());
      matrix.set_dim(uint32_t(dim));
      bytes.resize(size_t(dim) * element_size(element));
      room = std::min<uint64_t>(wanted, source.known_size() / (bytes.size() + sizeof dim));
      matrix.reserve(room);
    } else if (uint32_t(dim) != matrix.dim()) {
      throw Failure("\"", source.path(), "\": row ", index, " has dimension ", dim, ", the rows before it ",
                    matrix.dim(), "; not an fvecs/bvecs file?");
    }
    if (source.read(bytes.data(), bytes.size()) < bytes.size()) {
      throw Failure("\"", source.path(), "\" ends inside row ", index);
    }
    if (index + 1 > room) {
      room = std::max<uint64_t>(1024, room + room / 2);
      matrix.reserve(room);
    }
    matrix.resize(index + 1);
    convert_elements(element, bytes.data(), matrix.dim(), matrix.row(index));
    check_finite(matrix, index, source.path());
  }
  return matrix;
}

std::string read_npy_dictionary(ByteSource& source) {
  unsigned char start[8];
  if (source.read(start, sizeof start) < sizeof start || std::memcmp(start, "\x93NUMPY", 6) != 0) {
    throw Failure("\"", source.path(), "\" is not an npy file: its first bytes are not those of NumPy's format");
  }
  int const version = start[6];
  if (version < 1 || version > 3) throw Failure("\"", source.path(), "\": npy version ", version, " is not 1, 2 or 3");
  uint32_t length = 0;
  size_t const length_bytes = version == 1 ? 2 : 4;
  if (source.read(&length, length_bytes) < length_bytes || length > (1U << 20)) {
    throw Failure("\"", source.path(), "\": the npy header is damaged");
  }
  std::string dictionary(length, ' ');
  if (source.read(dictionary.data(), length) < length) {
    throw Failure("\"", source.path(), "\" ends inside the npy header");
  }
  return dictionary;
}

// The text after 'key': up to the end of its value. Values are quoted words, True/False or a tuple.
std::string npy_value(std::string const& dictionary, std::string const& key, std::string const& path) {
  size_t at = dictionary.find("'" + key + "'");
  if (at != std::string::npos) at = dictionary.find(':', at);
  if (at == std::string::npos) throw Failure("\"", path, "\": the npy header has no ", key);
  at = dictionary.find_first_not_of(' ', at + 1);
  if (at == std::string::npos) throw Failure("\"", path, "\": the npy header has no value for ", key);
  char const closing = dictionary[at] == '(' ? ')' : dictionary[at] == '\'' ? '\'' : ',';
  size_t const end = dictionary.find(closing, at + 1);
  if (end == std::string::npos) throw Failure("\"", path, "\": the npy header has a damaged value for ", key);
  return closing == ',' ? dictionary.substr(at, end - at) : dictionary.substr(at + 1, end - at - 1);
}

}  // namespace

NpyHeader parse_npy_dictionary(std::string const& dictionary, std::string const& path) {
  NpyHeader header;
  std::string const descr = npy_value(dictionary, "descr", path);
  struct Name {
    char const* text;
    Element element;
  };
  constexpr Name names[] = {{"<f8", Element::f64}, {"<f4", Element::f32}, {"<f2", Element::f16}, {"|u1", Element::u8},
                            {"|i1", Element::i8},  {"<u1", Element::u8},  {"<i1", Element::i8}};
  auto const* found = std::find_if(std::begin(names), std::end(names), [&](Name const& n) { return descr == n.text; });
  if (found == std::end(names)) {
    throw Failure("\"", path, "\": npy elements of type \"", descr, "\"; supported are <f8, <f4, <f2, |u1 and |i1");
  }
  header.element = found->element;
  if (npy_value(dictionary, "fortran_order", path) != "False") {
    throw Failure("\"", path, "\" is stored column by column (fortran_order); save it with numpy.ascontiguousarray");
  }
  std::string const shape = npy_value(dictionary, "shape", path);
  unsigned long long rows = 0, dim = 0;
  char rest = 0;
  if (std::sscanf(shape.c_str(), "%llu , %llu %c", &rows, &dim, &rest) != 2) {
    throw Failure("\"", path, "\" has shape (", shape, "); two axes are needed: rows, dimension");
  }
  check_dim(dim, path);
  header.rows = rows;
  header.dim = uint32_t(dim);
  return header;
}

Matrix read_vectors(std::string const& path, ReadOptions const& options) {
  std::string const type = type_of(path, options.type);
  ByteSource source(path);
  Matrix matrix;
  Element element;
  if (type == "fvecs" || type == "bvecs") {
    matrix = read_vecs(source, type == "fvecs" ? Element::f32 : Element::u8, options);
  } else if (type == "npy") {
    NpyHeader const header = parse_npy_dictionary(read_npy_dictionary(source), path);
    check_told_dim(header.dim, options, path);
    if (header.rows != 0) {
      matrix = read_plain_rows(source, header.element, header.dim, header.rows, options.row_limit);
    }
  } else if (parse_element(type, &element)) {
    if (options.dim == 0) throw Failure("\"", path, "\" is a raw file of ", type, ": give its dimension with --dim");
    check_dim(options.dim, path);
    matrix = read_plain_rows(source, element, options.dim, 0, options.row_limit);
  } else {
    throw Failure("\"", path, "\": the name does not tell the format (", type.empty() ? "no ending" : type,
                  "); say --type fvecs, bvecs, npy, u8, i8, f16, f32 or f64");
  }
  if (matrix.rows() == 0) throw Failure("\"", path, "\" holds no rows");
  return matrix;
}

NeighborTable read_neighbors(std::string const& path, uint64_t query_count, uint64_t base_rows) {
  ByteSource source(path);
  NeighborTable table;
  std::vector<int32_t> numbers(1 << 16);
  std::vector<int32_t> all;
  for (;;) {
    size_t const got = source.read(numbers.data(), numbers.size() * sizeof(int32_t));
    if (got % sizeof(int32_t) != 0) throw Failure("\"", path, "\" does not consist of whole 32-bit numbers");
    all.insert(all.end(), numbers.begin(), numbers.begin() + long(got / sizeof(int32_t)));
    if (got < numbers.size() * sizeof(int32_t)) break;
  }
  bool const is_ivecs = strip_xz(path).ends_with(".ivecs");
  if (is_ivecs) {
    if (all.empty() || all[0] <= 0) throw Failure("\"", path, "\" is not an ivecs file");
    table.width = uint32_t(all[0]);
    size_t const step = size_t(table.width) + 1;
    if (all.size() % step != 0) throw Failure("\"", path, "\" ends inside a row of ", table.width, " neighbours");
    for (size_t at = 0; at < all.size(); at += step) {
      if (uint32_t(all[at]) != table.width) throw Failure("\"", path, "\": rows of different lengths");
      table.ids.insert(table.ids.end(), all.begin() + long(at) + 1, all.begin() + long(at + step));
    }
  } else {
    if (query_count == 0 || all.empty() || all.size() % query_count != 0) {
      throw Failure("\"", path, "\" holds ", all.size(), " numbers, which is no multiple of the ", query_count,
                    " queries");
    }
    table.width = uint32_t(all.size() / query_count);
    table.ids = std::move(all);
  }
  if (table.rows() < query_count) {
    throw Failure("\"", path, "\" has neighbours of ", table.rows(), " queries; there are ", query_count);
  }
  for (int32_t id : table.ids) {
    if (id < 0 || uint64_t(id) >= base_rows) {
      throw Failure("\"", path, "\" names row ", id, "; the base has rows 0 .. ", base_rows - 1);
    }
  }
  return table;
}

}  // namespace strata::bench
