#include "core/files/copy_rows.hpp"

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

}  // namespace strata::files
