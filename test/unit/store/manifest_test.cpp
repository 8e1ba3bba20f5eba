#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

using store::Manifest;

bool same_bytes(void const* a, void const* b, size_t size) {
  return std::memcmp(a, b, size) == 0;
}

TEST(Manifest, EncodeThenDecodeGivesTheSame) {
  sim::SimPager pager;
  Manifest manifest{};
  manifest.header.generation = 77;
  manifest.header.next_object_id = 9;
  manifest.header.frontier = 400;
  manifest.header.frame = 2;
  manifest.header.sealed_rows = 12345678901;
  auto* object = store::add_object(pager, manifest, ObjectKind::segment, ObjectState::live);
  object->extents.push(pager, {10, 5});
  object->extents.push(pager, {40, 1});
  object->disk.row_count = 17;
  object->disk.retired_xid = UINT64_MAX - 1;
  store::add_object(pager, manifest, ObjectKind::growing, ObjectState::frozen);
  manifest.free.push(pager, {15, 25});
  uint32_t size = 0;
  std::byte* bytes = store::detail::encode_manifest(pager, manifest, &size);
  EXPECT_EQ(size, 128u + 2 * 96 + 3 * 8);
  Manifest read{};
  ASSERT_OK(store::detail::decode_manifest(pager, bytes, size, &read));
  EXPECT_TRUE(same_bytes(&read.header, &manifest.header, sizeof read.header));
  ASSERT_EQ(read.objects.count, 2u);
  for (uint32_t i = 0; i < 2; i++)
    EXPECT_TRUE(same_bytes(&read.objects[i].disk, &manifest.objects[i].disk, sizeof(store::ObjectDisk)));
  ASSERT_EQ(read.objects[0].extents.count, 2u);
  EXPECT_EQ(read.objects[0].extents[1].start, 40u);
  EXPECT_EQ(read.objects[0].disk.page_count, 6u);
  EXPECT_EQ(read.objects[1].extents.count, 0u);
  ASSERT_EQ(read.free.count, 1u);
  EXPECT_EQ(read.free[0].count, 25u);
}

TEST(Manifest, DecodeRefusesWhatCannotBe) {
  sim::SimPager pager;
  Manifest manifest{};
  manifest.header.next_object_id = 1;
  manifest.header.frontier = 100;
  auto* object = store::add_object(pager, manifest, ObjectKind::segment, ObjectState::live);
  object->extents.push(pager, {10, 5});
  manifest.free.push(pager, {15, 25});
  uint32_t size = 0;
  std::byte* bytes = store::detail::encode_manifest(pager, manifest, &size);
  auto status_with = [&](auto&& change, uint32_t length) {
    std::vector<std::byte> copy(bytes, bytes + size);
    change(*reinterpret_cast<store::ManifestHeaderDisk*>(copy.data()),
           *reinterpret_cast<store::ObjectDisk*>(copy.data() + sizeof(store::ManifestHeaderDisk)),
           reinterpret_cast<store::ExtentDisk*>(copy.data() + sizeof(store::ManifestHeaderDisk) +
                                                sizeof(store::ObjectDisk)));
    Manifest read{};
    return store::detail::decode_manifest(pager, copy.data(), length, &read);
  };
  using Header = store::ManifestHeaderDisk;
  using Object = store::ObjectDisk;
  using Extent = store::ExtentDisk;
  EXPECT_OK(status_with([](Header&, Object&, Extent*) {}, size));
  std::vector<Status> refused = {
      status_with([](Header&, Object&, Extent*) {}, size - 1),
      status_with([](Header&, Object&, Extent*) {}, 100),
      status_with([](Header& h, Object&, Extent*) { h.object_count = 0xFFFFFFFF; }, size),
      status_with([](Header& h, Object&, Extent*) { h.extent_count++; }, size),
      status_with([](Header& h, Object&, Extent*) { h.extent_count++, h.free_extent_count--; }, size),
      status_with([](Header&, Object& o, Extent*) { o.extent_count = 3; }, size),
      status_with([](Header&, Object& o, Extent*) { o.page_count = 6; }, size),
      status_with([](Header&, Object&, Extent* e) { e[0].count = 0; }, size),
      status_with([](Header&, Object&, Extent* e) { e[0].start = 0xFFFFFFFE; }, size),
      status_with([](Header& h, Object&, Extent*) { h.frontier = 14; }, size),
      status_with([](Header&, Object&, Extent* e) { e[1].count = 0; }, size),
      status_with(
          [](Header&, Object&, Extent* e) {
            e[1] = {90, 11};
          },
          size),
      status_with([](Header&, Object& o, Extent*) { o.kind = ObjectKind(9); }, size),
      status_with([](Header&, Object& o, Extent*) { o.state = ObjectState(9); }, size),
  };
  for (size_t i = 0; i < refused.size(); i++) EXPECT_EQ(refused[i].code, Code::corrupt) << "case " << i;
}

TEST(Manifest, CreateGivesAnEmptyIndex) {
  StoreIndex index(3);
  Manifest manifest = index.manifest();
  EXPECT_EQ(manifest.objects.count, 0u);
  EXPECT_EQ(manifest.free.count, 0u);
  EXPECT_EQ(manifest.header.frontier, 3u);
  EXPECT_EQ(manifest.header.generation, 1u);
  EXPECT_EQ(index.check().row_count, 0u);
}

TEST(Manifest, CreateRefusesImpossibleShapes) {
  for (uint32_t dim : {0u, vector_dim_max + 1}) {
    sim::SimPager pager;
    EXPECT_FALSE(store::create_index(pager, store::meta_for(dim, Metric::l2, 1)).ok()) << dim;
  }
}

TEST(Manifest, DiscardedEditsAndFailedEditsLeaveNothing) {
  StoreIndex index(3);
  auto pages = index.pager.pages;
  EXPECT_OK(store::edit_manifest(index.pager, [&](Manifest& work) -> store::EditResult {
    store::add_object(index.pager, work, ObjectKind::segment, ObjectState::live);
    return {{}, store::Edit::discard};
  }));
  Status status = store::edit_manifest(index.pager, [&](Manifest& work) -> store::EditResult {
    store::add_object(index.pager, work, ObjectKind::segment, ObjectState::live);
    return {invalid("no"), store::Edit::keep};
  });
  EXPECT_EQ(status.code, Code::invalid);
  EXPECT_EQ(pages, index.pager.pages);
  EXPECT_FALSE(index.pager.is_locked(LockName::edit));
}

TEST(Manifest, EditsAlternateBetweenTheSlots) {
  StoreIndex index(3);
  uint32_t active = index.meta().active_slot;
  for (int i = 0; i < 5; i++) {
    uint64_t generation = index.meta().generation;
    index.edit([](Manifest&) {});
    EXPECT_EQ(index.meta().active_slot, 1 - active);
    EXPECT_EQ(index.meta().generation, generation + 1);
    active = 1 - active;
  }
}

// Hundreds of objects: the slots outgrow their pages, move to the frontier, and their old pages become free.
TEST(Manifest, SlotsGrowAndMove) {
  StoreIndex index(3);
  auto first = index.meta();
  std::vector<uint32_t> expected;
  for (uint32_t i = 1; i <= 700; i++) {
    index.edit([&](Manifest& work) {
      auto* object = store::add_object(index.pager, work, ObjectKind::segment, ObjectState::retired);
      store::allocate_extents(index.pager, work, 1 + i % 3, &object->extents);
      object->disk.row_count = i;
    });
    expected.push_back(i);
    if (i % 50 == 0) {
      EXPECT_OK(index.check_status());
      index.free_memory();
    }
  }
  Manifest manifest = index.manifest();
  ASSERT_EQ(manifest.objects.count, 700u);
  for (uint32_t i = 0; i < 700; i++) EXPECT_EQ(manifest.objects[i].disk.row_count, expected[i]);
  auto last = index.meta();
  for (int slot = 0; slot < 2; slot++) {
    EXPECT_NE(last.slot[slot].start, first.slot[slot].start);
    EXPECT_GT(last.slot[slot].page_count, 8u);
  }
  EXPECT_GT(last.manifest_size, 8 * format::page_body_size);
  // The other way: everything goes, and the frontier comes back to the slots.
  index.edit([&](Manifest& work) {
    while (work.objects.count) store::remove_object(index.pager, work, work.objects[work.objects.count / 2].id());
  });
  EXPECT_OK(index.check_status());
  EXPECT_EQ(index.manifest().objects.count, 0u);
}

TEST(Manifest, ManyFreeExtentsFillSeveralPages) {
  StoreIndex index(3);
  index.edit([&](Manifest& work) {
    for (uint32_t i = 0; i < 4000; i++) {
      auto* object = store::add_object(index.pager, work, ObjectKind::segment, ObjectState::retired);
      store::allocate_extents(index.pager, work, 1, &object->extents);
    }
  });
  index.edit([&](Manifest& work) {
    std::vector<ObjectId> odd;
    for (uint32_t i = 1; i < work.objects.count; i += 2) odd.push_back(work.objects[i].id());
    for (ObjectId id : odd) store::remove_object(index.pager, work, id);
  });
  EXPECT_OK(index.check_status());
  EXPECT_GE(index.manifest().free.count, 1998u);
}

// Crash between the pages of the slot and the flip of the meta page: the state before.
TEST(Manifest, EveryCrashInAnEditGivesTheOldOrTheNewState) {
  StoreIndex index(3);
  index.keep_log = true;
  for (uint32_t i = 0; i < 300; i++)
    index.edit([&](Manifest& work) {
      auto* object = store::add_object(index.pager, work, ObjectKind::segment, ObjectState::retired);
      store::allocate_extents(index.pager, work, 1, &object->extents);
    });
  sim::SimPager recovered;
  uint32_t count = 0;
  bool created = false;
  for (auto const& record : index.pager.log) {
    recovered.replay(record);
    store::MetaDisk meta;
    created = created || (store::read_meta(recovered, &meta).ok() && meta.generation > 0);
    if (!created) continue;
    Manifest manifest{};
    ASSERT_OK(store::load_manifest(recovered, &manifest));
    ASSERT_GE(manifest.objects.count, count);
    ASSERT_LE(manifest.objects.count, count + 1);
    count = manifest.objects.count;
    recovered.free_memory();
  }
  EXPECT_EQ(count, 300u);
}

// Two edits overwrite the slot under a reader that has read the meta page and some pages of the slot.
TEST(Manifest, OvertakenReaderStartsAgain) {
  StoreIndex index(3);
  for (uint32_t i = 0; i < 400; i++)
    index.edit([&](Manifest& work) {
      auto* object = store::add_object(index.pager, work, ObjectKind::segment, ObjectState::retired);
      store::allocate_extents(index.pager, work, 1, &object->extents);
    });
  ASSERT_GT(index.meta().manifest_size, 3 * format::page_body_size);
  uint32_t edits = 0;
  index.pager.hook = [&] {
    if (edits >= 9 || index.pager.is_locked(LockName::edit)) return;
    edits++;
    index.edit([&](Manifest& work) {
      auto* object = store::add_object(index.pager, work, ObjectKind::segment, ObjectState::retired);
      store::allocate_extents(index.pager, work, 1, &object->extents);
    });
  };
  index.pager.read_hook_period = 1;
  Manifest manifest{};
  ASSERT_OK(store::load_manifest(index.pager, &manifest));
  index.pager.hook = nullptr;
  EXPECT_EQ(edits, 9u);
  EXPECT_EQ(manifest.header.generation, manifest.meta.generation);
  EXPECT_GT(manifest.objects.count, 400u);
  EXPECT_LE(manifest.objects.count, 409u);
}

TEST(Manifest, SlotOfAnotherGenerationWithoutAnEditIsCorrupt) {
  StoreIndex index(3);
  auto meta = index.meta();
  auto& content = index.pager.pages[meta.slot[meta.active_slot].start];
  format::PageTailDisk tail = format::PageView{content.data()}.tail();
  tail.page_no++;
  std::memcpy(content.data() + format::page_body_size, &tail, sizeof tail);
  Manifest manifest{};
  EXPECT_EQ(store::load_manifest(index.pager, &manifest).code, Code::corrupt);
}

TEST(Manifest, ChecksumCatchesEveryFlippedByte) {
  StoreIndex index(3);
  index.insert({1, 2, 3});
  auto meta = index.meta();
  auto& content = index.pager.pages[meta.slot[meta.active_slot].start];
  for (uint32_t i = 0; i < meta.manifest_size; i++) {
    content[i] ^= std::byte{0x10};
    Manifest manifest{};
    EXPECT_FALSE(store::load_manifest(index.pager, &manifest).ok()) << "byte " << i;
    content[i] ^= std::byte{0x10};
  }
  index.check();
}

// A meta page that sends readers anywhere must not make them allocate or loop.
TEST(Manifest, SlotsOutsideOfTheFileAreCorrupt) {
  for (int which = 0; which < 5; which++) {
    StoreIndex index(3);
    auto& meta = *reinterpret_cast<store::MetaDisk*>(index.pager.pages[0].data());
    auto& slot = meta.slot[meta.active_slot];
    auto& other = meta.slot[1 - meta.active_slot];
    if (which == 0) slot.page_count = 0xFFFFFFFF, meta.manifest_size = 0xFFFFFFFF;
    if (which == 1) slot.page_count = 1000000, meta.manifest_size = 1000000;
    if (which == 2) slot.start = 0xFFFFFFFF;
    if (which == 3) other.start = 0xFFFFFF00, other.page_count = 1;
    if (which == 4) other.page_count = 0x80000000;
    Manifest manifest{};
    EXPECT_EQ(store::load_manifest(index.pager, &manifest).code, Code::corrupt) << which;
  }
}

TEST(Meta, PartsHaveToAgree) {
  format::ColumnDisk const column{format::ColumnKind::fixed, 4, 0, 0};
  format::MetaDisk meta = store::meta_for(100, Metric::l2, 1, &column, 1, {4});
  EXPECT_OK(store::check_shape(meta));
  meta.copy_size = 2;
  EXPECT_EQ(store::check_shape(meta).code, Code::corrupt);
  meta.copy_kind = format::CopyKind::rounded;
  EXPECT_EQ(store::check_shape(meta).code, Code::corrupt);
  // Two bytes a dimension, whole or rounded, are not the same.
  meta = store::meta_for(100, Metric::l2, 1, &column, 1, store::rounded_copies);
  EXPECT_OK(store::check_shape(meta));
  EXPECT_TRUE(store::has_rounded_copies(store::shape_of(meta)));
  meta.copy_kind = format::CopyKind::whole;
  EXPECT_EQ(store::check_shape(meta).code, Code::corrupt);
  meta = store::meta_for(100, Metric::l2, 1, &column, 1);
  EXPECT_OK(store::check_shape(meta));
  meta.column_count = 0;
  EXPECT_EQ(store::check_shape(meta).code, Code::corrupt);
  EXPECT_OK(store::check_shape(store::meta_for(6000, Metric::l2, 1, nullptr, 0, {4})));
  EXPECT_EQ(store::check_shape(store::meta_for(7000, Metric::l2, 1, nullptr, 0, {4})).code, Code::corrupt);
  EXPECT_OK(store::check_shape(store::meta_for(10000, Metric::l2, 1, nullptr, 0, store::rounded_copies)));
  EXPECT_OK(store::check_shape(store::meta_for(vector_dim_max, Metric::l2, 1)));
}

}  // namespace
}  // namespace strata::testing
