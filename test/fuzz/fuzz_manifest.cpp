// Strategy: any bytes as the string of a manifest. Invariant: what is accepted comes out of the encoder as the same
// bytes, and names no block past the frontier; space can be taken from it and given back.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "fuzz/fuzz.hpp"
#include "fuzz/hostile_pager.hpp"
#include "store/check.hpp"

namespace {

using namespace strata;
using store::Manifest;

void require(bool condition) {
  if (!condition) std::abort();
}

Manifest example(fuzz::HostilePager& pager, uint64_t number) {
  Manifest manifest{};
  manifest.header.generation = 5;
  manifest.header.next_object_id = 1;
  manifest.header.frontier = 3;
  for (uint64_t i = 0; i < number * 3; i++) {
    auto* object = store::add_object(pager, manifest, store::ObjectKind(1 + i % 4), store::ObjectState(1 + i % 4));
    store::allocate_extents(pager, manifest, uint32_t(1 + i * 7 % 90), &object->extents);
  }
  for (uint32_t i = 1; i <= number; i++) store::remove_object(pager, manifest, ObjectId(i * 2));
  return manifest;
}

}  // namespace

int LLVMFuzzerTestOneInput(uint8_t const* data, size_t size) {
  if (size > 1u << 20) return 0;
  auto pager = std::make_unique<fuzz::HostilePager>();
  Manifest manifest{};
  // A copy of exactly the size of the input, so that a sanitizer sees any read behind it.
  std::vector<std::byte> bytes(size);
  if (size) std::memcpy(bytes.data(), data, size);
  Status const status = store::detail::decode_manifest(*pager, bytes.data(), uint32_t(size), &manifest);
  if (!status.ok()) {
    require(status.code == Code::corrupt);
    return 0;
  }
  uint32_t const crc = manifest.header.crc;
  uint32_t encoded_size = 0;
  std::byte* encoded = store::detail::encode_manifest(*pager, manifest, &encoded_size);
  require(encoded_size == size);
  std::memcpy(encoded + offsetof(store::ManifestHeaderDisk, crc), &crc, sizeof crc);
  require(std::memcmp(encoded, bytes.data(), size) == 0);
  for (auto const& object : manifest.objects)
    for (auto const& extent : object.extents) require(extent.start < manifest.header.frontier);
  manifest.meta.slot[0] = {1, 1};
  manifest.meta.slot[1] = {2, 1};
  store::CheckResult result{};
  bool const sound = store::detail::check_space(*pager, manifest, &result).ok();
  (void)store::detail::check_names(manifest);
  (void)store::detail::check_reach(manifest, 100);
  if (!sound || manifest.header.frontier > 1u << 30) return 0;
  uint32_t const frontier = manifest.header.frontier;
  store::Array<store::ExtentDisk> taken;
  store::allocate_extents(*pager, manifest, 70, &taken);
  for (auto const& extent : taken) store::free_extent(*pager, manifest, extent);
  require(manifest.header.frontier == frontier);
  require(store::detail::check_space(*pager, manifest, &result).ok());
  return 0;
}

size_t fuzz_seed(uint8_t* out, size_t capacity, uint64_t number) {
  if (number >= 8) return 0;
  fuzz::HostilePager pager;
  Manifest manifest = example(pager, number);
  uint32_t size = 0;
  std::byte* bytes = store::detail::encode_manifest(pager, manifest, &size);
  if (size > capacity) return 0;
  std::memcpy(out, bytes, size);
  return size;
}
