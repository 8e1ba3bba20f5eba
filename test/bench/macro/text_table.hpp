// A table of text with aligned columns, and the numbers in it.
#pragma once
#include <string>
#include <vector>

namespace strata::bench {

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) { lines_.push_back(std::move(header)); }
  void add(std::vector<std::string> line) { lines_.push_back(std::move(line)); }
  // First column to the left, others to the right, a rule below the header.
  std::string str() const;

 private:
  std::vector<std::vector<std::string>> lines_;
};

// "-" for NaN and negative numbers.
std::string format_number(double value, int decimals);
// Three significant digits: 0.0123, 1.23, 12.3, 1230.
std::string format_short(double value);
std::string format_bytes(double bytes);

}  // namespace strata::bench
