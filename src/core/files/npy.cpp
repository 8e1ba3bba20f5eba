#include "core/files/npy.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/base/check.hpp"
#include "core/base/limits.hpp"
#include "core/files/decimal.hpp"
#include "core/files/little_endian.hpp"

#include "core/base/core_only.hpp"

namespace strata::files {
namespace {

constexpr std::string_view magic("\x93NUMPY", 6);

bool fail(Fault* fault, FaultKind kind, uint64_t byte, std::string_view text) {
  *fault = {};
  fault->kind = kind;
  fault->byte = byte;
  size_t length = 0;
  for (char c : text.substr(0, sizeof fault->text - 1)) fault->text[length++] = c >= ' ' && c <= '~' ? c : '?';
  fault->text[length] = '\0';
  return false;
}

// Reads the dictionary. Only what NumPy writes: quoted words, True, False, and tuples of whole numbers.
struct Parser {
  std::string_view head;
  size_t at;
  Fault* fault;

  bool damaged(char const* what) { return fail(fault, FaultKind::npy_header, at, what); }
  void skip_spaces() {
    while (at < head.size() && (head[at] == ' ' || head[at] == '\n' || head[at] == '\t' || head[at] == '\r')) ++at;
  }
  bool take(char c) {
    skip_spaces();
    if (at >= head.size() || head[at] != c) return false;
    ++at;
    return true;
  }
  bool take_word(std::string_view word) {
    skip_spaces();
    if (head.substr(at, word.size()) != word) return false;
    at += word.size();
    return true;
  }
  // A word in single or double quotes; no NumPy type or key holds a backslash.
  bool take_quoted(std::string_view* word) {
    skip_spaces();
    if (at >= head.size() || (head[at] != '\'' && head[at] != '"')) return damaged("a quoted word is missing");
    size_t const end = head.find(head[at], at + 1);
    if (end == std::string_view::npos) return damaged("a quote is not closed");
    *word = head.substr(at + 1, end - at - 1);
    at = end + 1;
    return true;
  }
  bool take_number(uint64_t* number) {
    skip_spaces();
    auto const result = std::from_chars(head.data() + at, head.data() + head.size(), *number);
    if (result.ec != std::errc{}) return damaged("an axis is no number of the range of int64");
    at = static_cast<size_t>(result.ptr - head.data());
    if (at < head.size() && head[at] == 'L') ++at;  // as Python 2 wrote them
    return *number <= uint64_t{INT64_MAX} || damaged("an axis is no number of the range of int64");
  }
};

struct Dictionary {
  bool has_type = false, has_order = false, has_shape = false;
  Element element = Element::f32;
  bool by_columns = false;
  uint64_t axes[2] = {};
  uint64_t axis_count = 0;
  size_t order_at = 0, shape_at = 0;  // offsets, for messages
};

bool take_type(Parser& parser, Dictionary* dictionary) {
  parser.skip_spaces();
  size_t const start = parser.at;
  if (start < parser.head.size() && parser.head[start] == '[')
    return fail(parser.fault, FaultKind::npy_type, start, "record");
  std::string_view name;
  if (!parser.take_quoted(&name)) return false;
  if (!parse_npy_type(name, &dictionary->element)) return fail(parser.fault, FaultKind::npy_type, start, name);
  return dictionary->has_type = true;
}

bool take_order(Parser& parser, Dictionary* dictionary) {
  parser.skip_spaces();
  dictionary->order_at = parser.at;
  dictionary->by_columns = parser.take_word("True");
  if (!dictionary->by_columns && !parser.take_word("False"))
    return parser.damaged("fortran_order is neither True nor False");
  return dictionary->has_order = true;
}

bool take_shape(Parser& parser, Dictionary* dictionary) {
  parser.skip_spaces();
  dictionary->shape_at = parser.at;
  dictionary->axis_count = 0;
  if (!parser.take('(')) return parser.damaged("shape is no tuple");
  while (!parser.take(')')) {
    uint64_t axis = 0;
    if (!parser.take_number(&axis)) return false;
    if (dictionary->axis_count < 2) dictionary->axes[dictionary->axis_count] = axis;
    ++dictionary->axis_count;
    if (parser.take(',')) continue;
    if (!parser.take(')')) return parser.damaged("shape is not closed");
    break;
  }
  return dictionary->has_shape = true;
}

bool take_dictionary(Parser& parser, Dictionary* dictionary) {
  if (!parser.take('{')) return parser.damaged("it is no dictionary");
  while (!parser.take('}')) {
    std::string_view key;
    if (!parser.take_quoted(&key)) return false;
    if (!parser.take(':')) return parser.damaged("a colon is missing");
    bool const taken = key == "descr"           ? take_type(parser, dictionary)
                       : key == "fortran_order" ? take_order(parser, dictionary)
                       : key == "shape"         ? take_shape(parser, dictionary)
                                                : parser.damaged("there is an unknown key");
    if (!taken) return false;
    if (parser.take(',')) continue;
    if (!parser.take('}')) return parser.damaged("the dictionary is not closed");
    break;
  }
  parser.skip_spaces();
  if (parser.at != parser.head.size()) return parser.damaged("text follows the dictionary");
  if (!dictionary->has_type) return parser.damaged("descr is missing");
  if (!dictionary->has_order) return parser.damaged("fortran_order is missing");
  return dictionary->has_shape || parser.damaged("shape is missing");
}

}  // namespace

size_t npy_head_size(std::string_view prefix, Fault* fault) {
  *fault = {};
  if (prefix.size() < npy_prefix_size) {
    fault->kind = prefix.substr(0, magic.size()) == magic.substr(0, std::min(magic.size(), prefix.size()))
                      ? FaultKind::header_cut_off
                      : FaultKind::not_npy;
    fault->found = prefix.size();
    fault->expected = npy_prefix_size;
    return 0;
  }
  unsigned const version = static_cast<unsigned char>(prefix[6]);
  if (prefix.substr(0, magic.size()) != magic) {
    fault->kind = FaultKind::not_npy;
  } else if (version < 1 || version > 3) {
    fault->kind = FaultKind::npy_version;
    fault->byte = 6;
    fault->found = version;
  }
  if (!fault->ok()) return 0;
  size_t const length = version == 1 ? load_little<uint16_t>(prefix.data() + 8) : load_little<uint32_t>(&prefix[8]);
  if (length > npy_header_size_max) {
    fault->kind = FaultKind::npy_header_size;
    fault->byte = 8;
    fault->found = length;
    fault->expected = npy_header_size_max;
    return 0;
  }
  // A header shorter than the prefix of a later version cannot hold a dictionary, but must not be less than was read.
  return std::max(npy_prefix_size, (version == 1 ? size_t{10} : size_t{12}) + length);
}

bool parse_npy_head(std::string_view head, NpyShape* shape, Fault* fault) {
  *fault = {};
  Parser parser{head, head[6] == 1 ? size_t{10} : size_t{12}, fault};
  Dictionary dictionary;
  if (!take_dictionary(parser, &dictionary)) return false;
  if (dictionary.by_columns) return fail(fault, FaultKind::npy_order, dictionary.order_at, "");
  fault->byte = dictionary.shape_at;
  if (dictionary.axis_count != 2) {
    fault->kind = FaultKind::npy_axes;
    fault->found = dictionary.axis_count;
    return false;
  }
  fault->found = dictionary.axes[1];
  fault->expected = vector_dim_max;
  if (dictionary.axes[1] < 1 || dictionary.axes[1] > vector_dim_max) {
    fault->kind = FaultKind::dim_range;
    return false;
  }
  if (dictionary.axes[0] >
      uint64_t{INT64_MAX} / (dictionary.axes[1] * element_size(dictionary.element)) - head.size()) {
    fault->kind = FaultKind::row_count;
    fault->found = dictionary.axes[0];
    fault->expected = dictionary.axes[1];
    return false;
  }
  *fault = {};
  *shape = {dictionary.element, dictionary.axes[0], static_cast<uint32_t>(dictionary.axes[1])};
  return true;
}

void write_npy_head(NpyShape const& shape, char* head) {
  std::memset(head, ' ', npy_written_size);
  std::memcpy(head, magic.data(), magic.size());
  head[6] = 1;
  head[7] = 0;
  store_little(static_cast<uint16_t>(npy_written_size - 10), head + 8);
  char* at = head + 10;
  char* const end = head + npy_written_size;
  auto const put = [&at](std::string_view text) {
    std::memcpy(at, text.data(), text.size());
    at += text.size();
  };
  put("{'descr': '");
  put(npy_type_name(shape.element));
  put("', 'fortran_order': False, 'shape': (");
  at += put_decimal(shape.row_count, at);
  put(", ");
  at += put_decimal(shape.dim, at);
  put("), }");
  STRATA_ASSERT(at < end);
  end[-1] = '\n';
}

}  // namespace strata::files
