#include "macro/options.hpp"

#include "macro/tests/test_support.hpp"

namespace strata::bench {
namespace {

Options parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "run");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  return parse_options(int(pointers.size()), pointers.data());
}

TEST(CommandLine, ReadsListsSweepsAndSizes) {
  Options const options = parse({"--base", "a.fvecs", "--queries=100", "--k", "10,100", "--clients", "1,2", "--sweep",
                                 "strata:strata.probes=1,2,4", "--shared-buffers", "2GB", "--index", "before"});
  EXPECT_EQ(options.held_out_queries, 100U);
  EXPECT_EQ(options.k, (std::vector<uint32_t>{10, 100}));
  ASSERT_EQ(options.sweeps.size(), 1U);
  EXPECT_EQ(options.sweeps[0].setting, "strata.probes");
  EXPECT_EQ(options.sweeps[0].values.size(), 3U);
  EXPECT_EQ(options.server.shared_buffers_mb, 2048U);
  EXPECT_TRUE(options.index_before_load);
}

TEST(CommandLine, RefusesWhatItDoesNotUnderstand) {
  EXPECT_FAILS(parse({}), "--base FILE is needed");
  EXPECT_FAILS(parse({"--base", "a"}), "--query FILE or --queries N");
  EXPECT_FAILS(parse({"--frobnicate", "1"}), "unknown option");
  EXPECT_FAILS(parse({"--base"}), "needs a value");
  EXPECT_FAILS(parse({"--k", "0"}), "--k needs a number from 1");
  EXPECT_FAILS(parse({"--k", "10,x"}), "not \"x\"");
  EXPECT_FAILS(parse({"--seconds", "nan"}), "--seconds");
  EXPECT_FAILS(parse({"--engines", "milvus"}), "unknown engine");
  EXPECT_FAILS(parse({"--sweep", "strata:x"}), "--sweep needs the form");
  EXPECT_FAILS(parse({"--generate", "uniform"}), "--output");
  EXPECT_FAILS(parse({"--base", "a", "--queries", "5", "--filter", "0.9,0.2"}), "more than 1");
  EXPECT_FAILS(parse({"--base", "a", "--queries", "5", "--restart", "warm"}), "cold and small");
  EXPECT_FAILS(parse({"--base", "a", "--queries", "5", "--restart", "cold", "--dsn", "x"}), "private server");
  EXPECT_FAILS(parse({"--base", "a", "--queries", "5", "--truth", "t"}), "--truth goes with --query");
}

TEST(CommandLine, UsageNamesEveryOption) {
  EXPECT_PRED2(contains, usage(), "--recall-seconds");
  EXPECT_PRED2(contains, usage(), "--generate");
}

}  // namespace
}  // namespace strata::bench
