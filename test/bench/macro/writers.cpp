#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

#include "macro/elements.hpp"
#include "macro/failure.hpp"
#include "macro/half.hpp"
#include "macro/readers.hpp"

namespace strata::bench {
namespace {

std::string npy_header(Matrix const& matrix) {
  std::string text =
      concat("{'descr': '<f4', 'fortran_order': False, 'shape': (", matrix.rows(), ", ", matrix.dim(), "), }");
  constexpr size_t before = 10;  // magic, version, length
  while ((before + text.size() + 1) % 64 != 0) text += ' ';
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += char(text.size() & 0xff);
  header += char(text.size() >> 8);
  return header + text;
}

void append_row(std::string& out, float const* row, uint32_t dim, Element element) {
  for (uint32_t i = 0; i < dim; ++i) {
    if (element == Element::u8) {
      out += char(static_cast<uint8_t>(std::clamp(std::lround(row[i]), 0L, 255L)));
    } else if (element == Element::f16) {
      uint16_t const half = float_to_half(row[i]);
      out.append(reinterpret_cast<char const*>(&half), sizeof half);
    } else {
      out.append(reinterpret_cast<char const*>(&row[i]), sizeof(float));
    }
  }
}

}  // namespace

void write_vectors(std::string const& path, Matrix const& matrix) {
  size_t const dot = path.rfind('.');
  std::string const ending = dot == std::string::npos ? "" : path.substr(dot + 1);
  Element element = Element::f32;
  if (ending == "u8" || ending == "bvecs") {
    element = Element::u8;
  } else if (ending == "f16") {
    element = Element::f16;
  } else if (ending != "f32" && ending != "fvecs" && ending != "npy") {
    throw Failure("cannot write \"", path, "\": the name must end in .fvecs, .bvecs, .npy, .u8, .f16 or .f32");
  }
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"), std::fclose);
  if (!file) throw Failure("cannot create \"", path, "\": ", std::strerror(errno));
  std::string out = ending == "npy" ? npy_header(matrix) : "";
  bool const has_lengths = ending == "fvecs" || ending == "bvecs";
  bool good = true;
  for (uint64_t row = 0; row < matrix.rows(); ++row) {
    if (has_lengths) {
      uint32_t const dim = matrix.dim();
      out.append(reinterpret_cast<char const*>(&dim), sizeof dim);
    }
    append_row(out, matrix.row(row), matrix.dim(), element);
    if (out.size() >= (size_t(1) << 20)) {
      good = good && std::fwrite(out.data(), 1, out.size(), file.get()) == out.size();
      out.clear();
    }
  }
  good = good && std::fwrite(out.data(), 1, out.size(), file.get()) == out.size();
  good = std::fclose(file.release()) == 0 && good;
  if (!good) throw Failure("cannot write \"", path, "\": ", std::strerror(errno));
}

}  // namespace strata::bench
