// Takes a whole file of COPY's binary format apart. Reads within its bounds, whatever its bytes are.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace strata::files {

struct CopyField {
  char const* bytes = nullptr;  // null: NULL
  uint32_t size = 0;
};

class CopyRows {
 public:
  // `content` stays the caller's. Not good when it does not begin as such a file.
  explicit CopyRows(std::string_view content);

  // Reads the next row's fields, at most `capacity` of them, and returns how many it has; -1 at the end of the file, -2
  // when the file is damaged or the row has more fields.
  int next(CopyField* fields, int capacity);
  bool good() const { return good_; }

 private:
  std::string_view rest_;
  bool good_;
};

constexpr int copy_rows_end = -1;
constexpr int copy_rows_damaged = -2;

// Takes fields out of every row of such a file, in place, and returns its new size; 0 when it is damaged or a row has
// not `field_count` fields. `drop` and `fields`, which is overwritten, have as many elements.
size_t drop_copy_fields(char* content, size_t size, bool const* drop, CopyField* fields, int field_count);

}  // namespace strata::files
