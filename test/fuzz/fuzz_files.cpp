// Strategy: any bytes as a file of vectors of every format, in windows of any size. Invariant: nothing is read outside
// the window, every row lies inside the file, its floats are finite, and a file without faults is the same again after
// its rows were written and read.
//
//   | format | window step | dimension asked for | flags | file |
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "core/files/copy_stream.hpp"
#include "core/files/elements.hpp"
#include "core/files/npy.hpp"
#include "core/files/reader.hpp"
#include "fuzz/fuzz.hpp"

namespace {

using namespace strata::files;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Content {
  std::vector<std::vector<float>> rows;
  bool whole = true;  // no fault, no bad row
  Element element = Element::f32;
};

void check_text(Fault const& fault) {
  char text[fault_text_size];
  std::memset(text, 'x', sizeof text);
  describe(fault, text);
  require(std::memchr(text, '\0', sizeof text) != nullptr && text[0] != '\0');
  require(!fault.ok());
}

Content read(std::vector<char> const& file, ReaderOptions const& options, size_t step) {
  Content content;
  Reader reader(options);
  size_t start = 0, end = 0;
  uint64_t number = 0;
  for (;;) {
    std::vector<char> const window(file.begin() + long(start), file.begin() + long(end));
    Event const event = reader.next(window.data(), window.size(), end == file.size());
    if (event == Event::need_bytes) {
      require(end < file.size() && reader.wanted() > window.size() && reader.wanted() <= window_size_min);
      end = std::min(file.size(), end + step);
      continue;
    }
    if (event == Event::end) break;
    if (event == Event::fault || event == Event::bad_row) {
      check_text(reader.fault());
      content.whole = false;
    }
    if (event == Event::fault) break;
    require(reader.used() > 0 && reader.used() <= window.size());
    if (event == Event::row) {
      Row const& row = reader.row();
      size_t const size = reader.dim() * element_size(reader.element());
      require(row.number == number && row.byte + size <= file.size());
      require(std::memcmp(row.elements, file.data() + row.byte, size) == 0);
      std::vector<float> floats(reader.dim());
      Fault fault;
      if (row_to_floats(row, reader.element(), reader.dim(), Number::f32, floats.data(), &fault)) {
        for (float value : floats) require(std::isfinite(value));
        content.rows.push_back(std::move(floats));
      } else {
        check_text(fault);
        require(fault.byte >= row.byte && fault.byte < row.byte + size && is_of_one_row(fault.kind));
        content.whole = false;
      }
    }
    if (event != Event::head) ++number;
    start += reader.used();
  }
  content.element = reader.element();
  return content;
}

std::vector<char> write(Content const& content, Format format) {
  std::vector<char> file;
  uint32_t const dim = content.rows.empty() ? 1 : uint32_t(content.rows[0].size());
  if (format == Format::npy) {
    file.resize(npy_written_size);
    write_npy_head({content.element, content.rows.size(), dim}, file.data());
  }
  std::vector<char> bytes(file_row_size(format, content.element, dim));
  for (auto const& row : content.rows) {
    Fault fault;
    size_t const size = write_row(format, content.element, 0, dim, row.data(), bytes.data(), &fault);
    if (size == 0) {  // 2^31 - 1 is no float
      require(fault.kind == FaultKind::not_integer && content.element == Element::i32);
      return {};
    }
    file.insert(file.end(), bytes.begin(), bytes.end());
  }
  return file;
}

}  // namespace

int LLVMFuzzerTestOneInput(uint8_t const* data, size_t size) {
  if (size < 4) return 0;
  constexpr Format formats[] = {Format::fvecs, Format::bvecs, Format::ivecs, Format::npy};
  std::vector<char> const file(data + 4, data + size);
  ReaderOptions options;
  options.format = formats[data[0] % 4];
  options.dim = data[2];
  if ((data[3] & 1) != 0) options.file_size = file.size();
  Format recognised;
  recognise((data[3] & 2) != 0 ? "a.bvecs" : "a", {file.data(), file.size()}, file.size(), &recognised);
  Content const content = read(file, options, 1 + data[1] * size_t{7});
  if (!content.whole) return 0;
  std::vector<char> const again = write(content, options.format);
  if (again.empty()) return 0;
  require(read(again, {options.format, 0, again.size()}, window_size_min).rows == content.rows);
  return 0;
}

size_t fuzz_seed(uint8_t* out, size_t capacity, uint64_t number) {
  if (number >= 12 || capacity < 1024) return 0;
  constexpr Element elements[] = {Element::f32, Element::u8,  Element::i32, Element::f32,
                                  Element::f16, Element::f64, Element::i8,  Element::u8};
  Format const format = number < 3 ? Format(number) : Format::npy;
  Content content;
  content.element = elements[number % 8];
  content.rows = {{1, 2, 3, 4}, {5, 6, 7, 8}, {100, 0, 3, 1}};
  std::vector<char> const file = write(content, format);
  out[0] = uint8_t(format);
  out[1] = uint8_t(number * 3);
  out[2] = number % 2 == 0 ? 4 : 0;
  out[3] = uint8_t(number);
  std::memcpy(out + 4, file.data(), file.size());
  return file.size() + 4;
}
