#include "macro/text_table.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace strata::bench {

std::string TextTable::str() const {
  std::vector<size_t> widths;
  for (auto const& line : lines_) {
    widths.resize(std::max(widths.size(), line.size()));
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (size_t number = 0; number < lines_.size(); ++number) {
    for (size_t i = 0; i < lines_[number].size(); ++i) {
      std::string const& cell = lines_[number][i];
      std::string const padding(widths[i] - cell.size(), ' ');
      text += i == 0 ? cell + padding : "  " + padding + cell;
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    text += '\n';
    if (number == 0) {
      size_t total = 0;
      for (size_t width : widths) total += width + 2;
      text += std::string(total - 2, '-') + '\n';
    }
  }
  return text;
}

std::string format_number(double value, int decimals) {
  if (!(value >= 0)) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string format_short(double value) {
  if (!(value >= 0) || std::isinf(value)) return "-";
  if (value == 0) return "0";
  int const digits = int(std::floor(std::log10(value))) + 1;
  return format_number(value, std::clamp(3 - digits, 0, 6));
}

std::string format_bytes(double bytes) {
  if (!(bytes >= 0)) return "-";
  if (bytes < 1024 * 1024) return format_number(bytes / 1024, 0) + " kB";
  return format_number(bytes / (1024 * 1024), 1) + " MB";
}

}  // namespace strata::bench
