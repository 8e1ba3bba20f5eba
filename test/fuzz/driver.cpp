// Drives a fuzz target without libFuzzer: mutates seeds at random, in an order that its own seed fixes.
//
//   fuzz_<name> [--runs N] [--seed N] [--size-max BYTES] [--artifact FILE] [CORPUS-DIRECTORY | INPUT-FILE ...]
//   fuzz_<name> --write-seeds DIRECTORY        writes what fuzz_seed() makes, as a corpus for libFuzzer
//
// A single file with --runs 0 is run as it is: so a crash is repeated. When the target crashes, the input is written to
// the artifact and the exit status is 1, so that ctest can expect a failure.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "fuzz/fuzz.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace {

using strata::Random;
using Bytes = std::vector<uint8_t>;

// For the signal handler: plain memory, set before each run.
uint8_t const* current_data;
size_t current_size;
char artifact_path[4096] = "crash-input";

void write_artifact() {
  int const file = open(artifact_path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (file < 0) return;
  ssize_t const written = write(file, current_data, current_size);
  close(file);
  char const text[] = "the input that crashed was written to ";
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0 ||
      write(STDERR_FILENO, artifact_path, strlen(artifact_path)) < 0 || write(STDERR_FILENO, "\n", 1) < 0 ||
      written < 0) {
    _exit(1);
  }
}

void on_signal(int) {
  write_artifact();
  _exit(1);
}

void watch_for_crashes() {
#if defined(__SANITIZE_ADDRESS__)
  // The sanitizer has handlers of its own, and ends the process itself; abort() it leaves to us.
  __sanitizer_set_death_callback(write_artifact);
  std::signal(SIGABRT, on_signal);
#else
  for (int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP}) std::signal(number, on_signal);
#endif
}

void run(Bytes const& input) {
  // A copy of the exact size, so that reading past its end is seen by the sanitizer.
  auto* copy = static_cast<uint8_t*>(std::malloc(std::max<size_t>(input.size(), 1)));
  if (!input.empty()) std::memcpy(copy, input.data(), input.size());
  current_data = copy;
  current_size = input.size();
  LLVMFuzzerTestOneInput(copy, input.size());
  std::free(copy);
}

Bytes read_file(std::filesystem::path const& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

size_t position_in(Bytes const& bytes, Random& random) {
  return random.below(bytes.size());
}

// Values at which decoders tend to be wrong, written over 1, 2, 4 or 8 bytes.
void plant_number(Bytes& bytes, Random& random) {
  constexpr uint64_t values[] = {0,
                                 1,
                                 2,
                                 7,
                                 8,
                                 15,
                                 16,
                                 31,
                                 32,
                                 63,
                                 64,
                                 127,
                                 128,
                                 255,
                                 256,
                                 1023,
                                 8160,
                                 8191,
                                 8192,
                                 16000,
                                 16001,
                                 32767,
                                 32768,
                                 65535,
                                 65536,
                                 0x7f800000,
                                 0x7fc00000,
                                 0x7fffffff,
                                 0x80000000,
                                 0xff800000,
                                 0xffffffff,
                                 0x7fffffffffffffff,
                                 0x8000000000000000,
                                 ~uint64_t{0}};
  uint64_t const value = values[random.below(std::size(values))];
  size_t const size = std::min<size_t>(size_t{1} << random.below(4), bytes.size());
  std::memcpy(&bytes[random.below(bytes.size() - size + 1)], &value, size);
}

void mutate_once(Bytes& bytes, std::vector<Bytes> const& seeds, size_t size_max, Random& random) {
  if (bytes.empty()) {
    bytes.resize(1 + random.below(std::min<size_t>(size_max, 64)));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next());
    return;
  }
  switch (random.below(8)) {
    case 0:
      bytes[position_in(bytes, random)] ^= static_cast<uint8_t>(1u << random.below(8));
      break;
    case 1:
      bytes[position_in(bytes, random)] = static_cast<uint8_t>(random.next());
      break;
    case 2:
      plant_number(bytes, random);
      break;
    case 3:  // a little more or less than a field said
      bytes[position_in(bytes, random)] += static_cast<uint8_t>(random.below(2) ? 1 : 255);
      break;
    case 4:
      bytes.resize(random.below(bytes.size() + 1));
      break;
    case 5: {
      size_t const count = std::min<size_t>(1 + random.below(32), size_max - std::min(size_max, bytes.size()));
      bytes.insert(bytes.begin() + ptrdiff_t(position_in(bytes, random)), count, static_cast<uint8_t>(random.next()));
      break;
    }
    case 6: {
      size_t const first = position_in(bytes, random);
      size_t const count = 1 + random.below(std::min<size_t>(bytes.size() - first, 64));
      bytes.erase(bytes.begin() + ptrdiff_t(first), bytes.begin() + ptrdiff_t(first + count));
      break;
    }
    default: {  // the head of one input, the tail of another
      Bytes const& other = seeds[random.below(seeds.size())];
      if (other.empty()) break;
      size_t const first = random.below(std::min(bytes.size(), other.size()));
      bytes.resize(first);
      bytes.insert(bytes.end(), other.begin() + ptrdiff_t(first), other.end());
      if (bytes.size() > size_max) bytes.resize(size_max);
    }
  }
}

struct Options {
  uint64_t run_count = 20000;
  uint64_t seed = 1;
  size_t size_max = 65536;
  std::string seed_directory;
  std::vector<std::string> inputs;
};

[[noreturn]] void usage(char const* program) {
  std::fprintf(stderr,
               "usage: %s [--runs N] [--seed N] [--size-max BYTES] [--artifact FILE] [DIRECTORY | FILE ...]\n"
               "       %s --write-seeds DIRECTORY\n",
               program, program);
  std::exit(2);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string const name = argv[i];
    if (name.rfind("--", 0) != 0) {
      options.inputs.push_back(name);
      continue;
    }
    if (++i == argc) usage(argv[0]);
    if (name == "--runs") {
      options.run_count = std::strtoull(argv[i], nullptr, 10);
    } else if (name == "--seed") {
      options.seed = std::strtoull(argv[i], nullptr, 10);
    } else if (name == "--size-max") {
      options.size_max = std::max<size_t>(std::strtoull(argv[i], nullptr, 10), 1);
    } else if (name == "--artifact") {
      std::snprintf(artifact_path, sizeof artifact_path, "%s", argv[i]);
    } else if (name == "--write-seeds") {
      options.seed_directory = argv[i];
    } else {
      usage(argv[0]);
    }
  }
  return options;
}

void add_inputs(std::string const& name, std::vector<Bytes>& seeds) {
  if (!std::filesystem::is_directory(name)) {
    seeds.push_back(read_file(name));
    return;
  }
  std::vector<std::filesystem::path> paths;
  for (auto const& entry : std::filesystem::directory_iterator(name)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());  // the order of a directory is no part of the seed
  for (auto const& path : paths) seeds.push_back(read_file(path));
}

std::vector<Bytes> target_seeds(size_t size_max) {
  std::vector<Bytes> seeds;
  if (fuzz_seed == nullptr) return seeds;
  Bytes buffer(size_max);
  for (uint64_t number = 0; number < 64; ++number) {
    size_t const size = fuzz_seed(buffer.data(), buffer.size(), number);
    if (size == 0) break;
    seeds.emplace_back(buffer.begin(), buffer.begin() + ptrdiff_t(size));
  }
  return seeds;
}

}  // namespace

int main(int argc, char** argv) {
  Options const options = parse(argc, argv);
  std::vector<Bytes> seeds = target_seeds(options.size_max);
  if (!options.seed_directory.empty()) {
    std::filesystem::create_directories(options.seed_directory);
    for (size_t i = 0; i < seeds.size(); ++i) {
      std::ofstream file(options.seed_directory + "/seed" + std::to_string(i), std::ios::binary);
      file.write(reinterpret_cast<char const*>(seeds[i].data()), std::streamsize(seeds[i].size()));
    }
    return 0;
  }
  for (std::string const& name : options.inputs) add_inputs(name, seeds);
  watch_for_crashes();
  for (Bytes const& seed : seeds) run(seed);
  if (seeds.empty()) seeds.emplace_back();
  Random random(options.seed);
  for (uint64_t i = 0; i < options.run_count; ++i) {
    Bytes input = seeds[random.below(seeds.size())];
    for (uint64_t step = 1 + random.below(8); step > 0; --step) mutate_once(input, seeds, options.size_max, random);
    run(input);
  }
  std::printf("%zu seeds and %llu mutations, no crash\n", seeds.size(),
              static_cast<unsigned long long>(options.run_count));
  return 0;
}
