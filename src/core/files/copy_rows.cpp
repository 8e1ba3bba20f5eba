#include "core/files/copy_rows.hpp"

#include <algorithm>
#include <cstring>

#include "core/files/copy_stream.hpp"
#include "core/files/little_endian.hpp"

#include "core/base/core_only.hpp"

namespace strata::files {

CopyRows::CopyRows(std::string_view content) : rest_(content), good_(content.substr(0, copy_head.size()) == copy_head) {
  if (good_) rest_.remove_prefix(copy_head.size());
}

int CopyRows::next(CopyField* fields, int capacity) {
  if (!good_) return copy_rows_damaged;
  good_ = false;
  if (rest_.size() < sizeof(int16_t)) return copy_rows_damaged;
  int const count = load_big<int16_t>(rest_.data());
  rest_.remove_prefix(sizeof(int16_t));
  if (count == -1 && rest_.empty()) return copy_rows_end;
  if (count < 0 || count > capacity) return copy_rows_damaged;
  for (int i = 0; i < count; ++i) {
    if (rest_.size() < sizeof(int32_t)) return copy_rows_damaged;
    int64_t const size = load_big<int32_t>(rest_.data());
    rest_.remove_prefix(sizeof(int32_t));
    if (size == -1) {
      fields[i] = {};
      continue;
    }
    if (size < 0 || static_cast<uint64_t>(size) > rest_.size()) return copy_rows_damaged;
    fields[i] = {rest_.data(), static_cast<uint32_t>(size)};
    rest_.remove_prefix(static_cast<size_t>(size));
  }
  good_ = true;
  return count;
}

size_t drop_copy_fields(char* content, size_t size, bool const* drop, CopyField* fields, int field_count) {
  CopyRows rows({content, size});
  // What is written is never longer than what was read.
  char* out = content + copy_head.size();
  int const kept = static_cast<int>(std::count(drop, drop + field_count, false));
  int count = 0;
  while ((count = rows.next(fields, field_count)) == field_count) {
    store_big(static_cast<int16_t>(kept), out);
    out += sizeof(int16_t);
    for (int i = 0; i < field_count; ++i) {
      if (drop[i]) continue;
      store_big(fields[i].bytes != nullptr ? static_cast<int32_t>(fields[i].size) : -1, out);
      out += sizeof(int32_t);
      if (fields[i].bytes != nullptr) std::memmove(out, fields[i].bytes, fields[i].size);
      out += fields[i].size;
    }
  }
  if (count != copy_rows_end) return 0;
  std::memcpy(out, copy_tail.data(), copy_tail.size());
  return static_cast<size_t>(out - content) + copy_tail.size();
}

}  // namespace strata::files
