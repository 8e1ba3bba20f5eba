#include "core/text/vector_text.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "core/text/number.hpp"

namespace strata::text {
namespace {

// Copies the text to the heap so that a sanitizer sees any read beyond its end.
struct Parsed {
  DenseText result;
  std::vector<float> elements;
};

Parsed parse(std::string const& source, uint32_t capacity = 16) {
  std::vector<char> text(source.begin(), source.end());
  text.push_back('\0');
  Parsed parsed;
  parsed.elements.resize(capacity);
  parsed.result = parse_vector({text.data(), source.size()}, capacity, parsed.elements.data());
  parsed.elements.resize(parsed.result.dim);
  return parsed;
}

Fault fault_of(std::string const& source) {
  return parse(source).result.fault;
}

TEST(VectorText, AcceptsTheGrammar) {
  EXPECT_EQ(parse("[1,2,3]").elements, (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(parse(" [ 1 ,\t-2.5e1\n, +3. ] \f\v\r").elements, (std::vector<float>{1, -25, 3}));
  EXPECT_EQ(parse("[.5,0x1p3,1E2,00012]").elements, (std::vector<float>{0.5, 8, 100, 12}));
  EXPECT_TRUE(std::signbit(parse("[-0]").elements.at(0)));
  EXPECT_EQ(parse("[1e-46]").elements, (std::vector<float>{0}));
  EXPECT_EQ(parse("[1e-45]").elements, (std::vector<float>{0x1p-149f}));
  EXPECT_EQ(parse("[3.4028235e38]").elements, (std::vector<float>{0x1.fffffep127f}));
}

TEST(VectorText, NamesTheFault) {
  for (char const* source : {"", " ", "1,2", "(1)", "{1}"}) EXPECT_EQ(fault_of(source), Fault::no_opening) << source;
  for (char const* source : {"[]", "[ ]", "[]x"}) EXPECT_EQ(fault_of(source), Fault::empty) << source;
  for (char const* source : {"[", "[ ", "[,", "[,]", "[1,]", "[1,,2]", "[1, ,2]", "[1a]", "[1", "[1 2]", "[e]", "[+]",
                             "[-]", "[.]", "[1e]", "[--1]", "[1,2"}) {
    EXPECT_EQ(fault_of(source), Fault::syntax) << source;
  }
  for (char const* source : {"[1]]", "[1] 2", "[1],"}) EXPECT_EQ(fault_of(source), Fault::junk) << source;
  for (char const* source : {"[nan]", "[1,-NaN]", "[nan(12)]"}) {
    EXPECT_EQ(fault_of(source), Fault::not_a_number) << source;
  }
  for (char const* source : {"[inf]", "[-Infinity]"}) EXPECT_EQ(fault_of(source), Fault::infinite) << source;
  EXPECT_EQ(fault_of(std::string("[1\0,2]", 6)), Fault::syntax);
  EXPECT_EQ(fault_of(std::string("[1]\0", 4)), Fault::junk);
}

TEST(VectorText, NamesTheElementOutOfRange) {
  std::string const source = "[1, -4e38 ,2]";
  DenseText const result = parse_vector(source, 3, std::vector<float>(3).data());
  EXPECT_EQ(result.fault, Fault::out_of_range);
  EXPECT_EQ(result.token, "-4e38");
}

TEST(VectorText, StopsAtTheCapacity) {
  EXPECT_EQ(parse("[1,2,3]", 3).result.fault, Fault::none);
  EXPECT_EQ(parse("[1,2,3,4]", 3).result.fault, Fault::too_many);
  EXPECT_EQ(parse("[1,2,3,x", 3).result.fault, Fault::too_many);
  EXPECT_EQ(element_count_bound("[1,2,3]"), 3u);
  EXPECT_EQ(element_count_bound(""), 1u);
}

TEST(HalfvecText, RoundsAndRefusesWhatIsTooLarge) {
  std::vector<uint16_t> halves(4);
  DenseText result = parse_halfvec("[1,65519,1e-8,-0]", 4, halves.data());
  EXPECT_EQ(result.fault, Fault::none);
  EXPECT_EQ(halves, (std::vector<uint16_t>{0x3c00, 0x7bff, 0x0000, 0x8000}));
  result = parse_halfvec("[65520]", 4, halves.data());
  EXPECT_EQ(result.fault, Fault::out_of_range);
  EXPECT_EQ(result.token, "65520");
  EXPECT_EQ(parse_halfvec("[4e38]", 4, halves.data()).fault, Fault::out_of_range);
  EXPECT_EQ(parse_halfvec("[inf]", 4, halves.data()).fault, Fault::infinite);
  EXPECT_EQ(parse_halfvec("[nan]", 4, halves.data()).fault, Fault::not_a_number);
}

struct ParsedSparse {
  SparseText result;
  std::vector<std::pair<int32_t, float>> elements;
};

ParsedSparse parse_sparse(std::string const& source, uint32_t capacity = 16) {
  std::vector<char> text(source.begin(), source.end());
  text.push_back('\0');
  std::vector<SparseElement> elements(capacity);
  ParsedSparse parsed{parse_sparsevec({text.data(), source.size()}, capacity, elements.data()), {}};
  for (uint32_t i = 0; i < parsed.result.count; ++i) parsed.elements.emplace_back(elements[i].index, elements[i].value);
  return parsed;
}

TEST(SparsevecText, AcceptsTheGrammar) {
  using Elements = std::vector<std::pair<int32_t, float>>;
  ParsedSparse parsed = parse_sparse(" { 7 : 1.5 , +2:-3e1,4:0,5:-0 } / 9 ");
  EXPECT_EQ(parsed.result.fault, Fault::none);
  EXPECT_EQ(parsed.result.dim, 9);
  EXPECT_EQ(parsed.elements, (Elements{{1, -30.0f}, {6, 1.5f}}));
  parsed = parse_sparse("{ }/1");
  EXPECT_EQ(parsed.result.fault, Fault::none);
  EXPECT_EQ(parsed.result.dim, 1);
  EXPECT_TRUE(parsed.elements.empty());
}

TEST(SparsevecText, SaturatesIndicesAndDimensions) {
  EXPECT_EQ(parse_sparse("{99999999999999999999999:1}/1").elements.at(0).first, INT32_MAX - 1);
  EXPECT_EQ(parse_sparse("{-99999999999999999999999:1}/1").elements.at(0).first, INT32_MIN);
  EXPECT_EQ(parse_sparse("{0:1}/1").elements.at(0).first, -1);
  EXPECT_EQ(parse_sparse("{}/9223372036854775808").result.dim, INT32_MAX);
  EXPECT_EQ(parse_sparse("{}/-9223372036854775809").result.dim, INT32_MIN);
}

TEST(SparsevecText, NamesTheFault) {
  auto const fault = [](char const* source) { return parse_sparse(source).result.fault; };
  for (char const* source : {"", "[1]", "1:1/1"}) EXPECT_EQ(fault(source), Fault::no_opening) << source;
  for (char const* source : {"{", "{ ", "{:", "{,", "{1", "{1:", "{1:1", "{1,}/1", "{:1}/1", "{1:}/1", "{1a:1}/1",
                             "{1:1a}/1", "{1:1,}/1", "{1.5:1}/1", "{}/", "{}/x", "{0x1:1}/1"}) {
    EXPECT_EQ(fault(source), Fault::syntax) << source;
  }
  EXPECT_EQ(fault("{}"), Fault::no_dimensions);
  EXPECT_EQ(fault("{1:1}5"), Fault::no_dimensions);
  EXPECT_EQ(fault("{}/1a"), Fault::junk);
  EXPECT_EQ(fault("{1:nan}/1"), Fault::not_a_number);
  EXPECT_EQ(fault("{1:inf}/1"), Fault::infinite);
  EXPECT_EQ(fault("{1:4e38}/1"), Fault::out_of_range);
  EXPECT_EQ(fault("{1:1e-46}/1"), Fault::out_of_range);
  EXPECT_EQ(parse_sparse("{1:1,2:2}/2", 1).result.fault, Fault::too_many);
}

TEST(SparsevecText, ChecksIndices) {
  auto const check = [](std::vector<int32_t> const& indices, int32_t dim) {
    return check_indices(static_cast<uint32_t>(indices.size()), indices.data(), sizeof(int32_t), dim);
  };
  EXPECT_EQ(check({}, 1), IndexFault::none);
  EXPECT_EQ(check({0, 1, 4}, 5), IndexFault::none);
  EXPECT_EQ(check({0, 5}, 5), IndexFault::out_of_bounds);
  EXPECT_EQ(check({-1}, 5), IndexFault::out_of_bounds);
  EXPECT_EQ(check({INT32_MIN}, 5), IndexFault::out_of_bounds);
  EXPECT_EQ(check({1, 0}, 5), IndexFault::descending);
  EXPECT_EQ(check({1, 1}, 5), IndexFault::duplicate);
}

// The fast path and the C library must agree on every number, on where it ends, and on whether it is out of range.
TEST(Number, AgreesWithStrtof) {
  Random random(1);
  std::string const alphabet = "0123456789..eE+-xXinfaINFp()_";
  for (int round = 0; round < 300000; ++round) {
    std::string text;
    if (random.below(2) == 0) {
      char buffer[64];
      float const value = std::bit_cast<float>(static_cast<uint32_t>(random.next()));
      std::snprintf(buffer, sizeof buffer, "%.*g", static_cast<int>(random.below(20)) + 1, value);
      text = buffer;
    } else {
      for (uint64_t n = random.below(12) + 1; n > 0; --n) text += alphabet[random.below(alphabet.size())];
    }
    errno = 0;
    char* end = nullptr;
    float const expected = std::strtof(text.c_str(), &end);
    bool const out_of_range = errno == ERANGE && (expected == 0 || std::isinf(expected));
    FloatToken const token = read_float(text.c_str(), text.c_str() + text.size());
    ASSERT_EQ(token.end, end) << text;
    if (token.end == text.c_str()) continue;
    ASSERT_EQ(token.out_of_range, out_of_range) << text;
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(token.value)) << text;
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(token.value), std::bit_cast<uint32_t>(expected)) << text;
    }
  }
}

TEST(Number, ReadsIntegers) {
  auto const read = [](std::string const& text) {
    IntegerToken const token = read_integer(text.data(), text.data() + text.size());
    return std::pair(token.value, token.end - text.data());
  };
  EXPECT_EQ(read("12x"), std::pair(int64_t{12}, ptrdiff_t{2}));
  EXPECT_EQ(read("-7"), std::pair(int64_t{-7}, ptrdiff_t{2}));
  EXPECT_EQ(read("9223372036854775807").first, INT64_MAX);
  EXPECT_EQ(read("9223372036854775808").first, INT64_MAX);
  EXPECT_EQ(read("92233720368547758070").first, INT64_MAX);
  EXPECT_EQ(read("-"), std::pair(int64_t{0}, ptrdiff_t{0}));
  EXPECT_EQ(read(""), std::pair(int64_t{0}, ptrdiff_t{0}));
}

// Any bytes: no crash, and what is accepted can be written out and read back to the same elements.
TEST(VectorText, SurvivesRandomText) {
  Random random(2);
  std::string const alphabet = "[]{},:/ 0123456789.-+eninfa";
  uint32_t accepted = 0;
  for (int round = 0; round < 200000; ++round) {
    std::string text = random.below(2) == 0 ? "[" : "{";
    for (uint64_t n = random.below(10); n > 0; --n) text += alphabet[random.below(alphabet.size())];
    if (random.below(2) == 0) text += text[0] == '[' ? "]" : "}/9";
    Parsed const parsed = parse(text, 4);
    parse_sparse(text, 4);
    if (parsed.result.fault != Fault::none) continue;
    ++accepted;
    std::string again = "[";
    for (float element : parsed.elements) {
      char buffer[32];
      std::snprintf(buffer, sizeof buffer, "%.9g", element);
      again += (again.size() > 1 ? "," : "") + std::string(buffer);
    }
    ASSERT_EQ(parse(again + "]", 4).elements, parsed.elements) << text;
  }
  EXPECT_GT(accepted, 1000u);
}

}  // namespace
}  // namespace strata::text
