// A directory of its own for each test, and files in it.
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "macro/failure.hpp"

namespace strata::bench {

class FileTest : public testing::Test {
 protected:
  FileTest() {
    std::string pattern = testing::TempDir() + "/bench-test-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~FileTest() override { std::filesystem::remove_all(directory_); }

  std::string path(std::string const& name) const { return directory_ + "/" + name; }

  std::string write(std::string const& name, std::string const& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

 private:
  std::string directory_;
};

template <class Value>
std::string bytes_of(Value value) {
  return std::string(reinterpret_cast<char const*>(&value), sizeof value);
}

// The message of the Failure that the call throws; "" when it throws none.
template <class Call>
std::string failure_of(Call call) {
  try {
    call();
  } catch (Failure const& failure) {
    return failure.what();
  }
  return "";
}

#define EXPECT_FAILS(call, part) EXPECT_PRED2(contains, failure_of([&] { (void)(call); }), std::string(part))

inline bool contains(std::string const& text, std::string const& part) {
  return !text.empty() && text.find(part) != std::string::npos;
}

}  // namespace strata::bench
