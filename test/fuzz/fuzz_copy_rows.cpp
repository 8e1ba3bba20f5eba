// Strategy: any bytes as a file of COPY's binary format. Invariant: fields lie inside the file, one after the other; a
// file that is read to its end consists of exactly what was read. A file that loses fields has the others of every row.
//
//   | fields at most | file |
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/files/copy_rows.hpp"
#include "core/files/copy_stream.hpp"
#include "fuzz/fuzz.hpp"

static void require(bool condition) {
  if (!condition) std::abort();
}

// Drops some fields, and compares what is left.
static void check_drop(std::vector<char> const& file, int count, size_t salt) {
  using namespace strata::files;
  std::vector<char> less = file;
  bool drop[8] = {};
  for (int i = 0; i < count; ++i) drop[i] = (salt >> i & 1) != 0;
  CopyField scratch[8];
  size_t const size = drop_copy_fields(less.data(), less.size(), drop, scratch, count);
  require(size <= file.size());
  if (size == 0) return;
  CopyRows old_rows({file.data(), file.size()}), new_rows({less.data(), size});
  for (;;) {
    CopyField before[8], after[8];
    int const old_count = old_rows.next(before, 8), new_count = new_rows.next(after, 8);
    if (old_count < 0) {
      require(old_count == copy_rows_end && new_count == copy_rows_end);
      return;
    }
    int at = 0;
    for (int i = 0; i < old_count; ++i) {
      if (drop[i]) continue;
      CopyField const& field = after[at++];
      require(!field.bytes == !before[i].bytes && field.size == before[i].size);
      require(field.size == 0 || std::memcmp(field.bytes, before[i].bytes, field.size) == 0);
    }
    require(at == new_count);
  }
}

int LLVMFuzzerTestOneInput(uint8_t const* data, size_t size) {
  using namespace strata::files;
  if (size < 1) return 0;
  std::vector<char> const file(data + 1, data + size);
  int const capacity = data[0] % 8;
  std::vector<CopyField> fields(static_cast<size_t>(capacity));
  CopyRows rows({file.data(), file.size()});
  size_t read = copy_head.size();
  for (;;) {
    int const count = rows.next(fields.data(), capacity);
    require(count <= capacity);
    if (count == copy_rows_end) require(read + copy_tail.size() == file.size());
    if (count < 0) break;
    read += 2;
    for (int i = 0; i < count; ++i) {
      read += 4;
      CopyField const& field = fields[static_cast<size_t>(i)];
      if (field.bytes) require(field.bytes == file.data() + read && read + field.size <= file.size());
      read += field.size;
    }
  }
  require(rows.next(fields.data(), capacity) == copy_rows_damaged || file.empty() || !rows.good());
  check_drop(file, capacity, size);
  return 0;
}

size_t fuzz_seed(uint8_t* out, size_t capacity, uint64_t number) {
  using namespace strata::files;
  if (number > 3 || capacity < 512) return 0;
  float const floats[] = {1, 2, 3};
  CopyColumns const columns{number % 2 == 0 ? 8u : 0u, Number::f32};
  out[0] = 2;
  size_t at = 1;
  std::memcpy(out + at, copy_head.data(), copy_head.size());
  at += copy_head.size();
  for (uint64_t row = 0; row < number; ++row) {
    write_copy_row(columns, static_cast<int64_t>(row), 3, floats, out + at);
    at += copy_row_size(columns, 3);
  }
  std::memcpy(out + at, copy_tail.data(), copy_tail.size());
  return at + copy_tail.size();
}
