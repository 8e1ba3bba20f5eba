// Reading and editing the manifest: the only writer of the meta page and of the manifest slots.
//
// Reading takes no lock beyond the share locks of single pages (M3 of core/format/meta.hpp). Editing is serialised by
// LockName::edit; an edit writes the whole string to the slot that is not active and then flips the meta page: one
// atomic action, before which a crash leaves the old state and after which the new one.
#pragma once
#include "core/base/crc32c.hpp"
#include "core/format/manifest.hpp"
#include "core/format/meta.hpp"
#include "store/array.hpp"
#include "store/pager.hpp"
#include "store/shape.hpp"

namespace strata::store {

using format::ExtentDisk;
using format::ManifestHeaderDisk;
using format::MetaDisk;
using format::ObjectDisk;
using format::ObjectKind;
using format::ObjectState;

struct ManifestObject {
  ObjectDisk disk;
  Array<ExtentDisk> extents;
  ObjectId id() const { return ObjectId(disk.id); }
};

// A private copy; memory belongs to the pager's operation.
struct Manifest {
  MetaDisk meta;
  ManifestHeaderDisk header;
  Array<ManifestObject> objects;
  Array<ExtentDisk> free;

  ManifestObject* find(ObjectId id) {
    for (auto& object : objects)
      if (object.disk.id == raw(id)) return &object;
    return nullptr;
  }
  ManifestObject const* find(ObjectId id) const { return const_cast<Manifest*>(this)->find(id); }
};

// The block of page `page_no` of an object; `page_no` < page_count.
inline BlockNo block_of(ManifestObject const& object, uint32_t page_no) {
  for (ExtentDisk const& extent : object.extents) {
    if (page_no < extent.count) return BlockNo(extent.start + page_no);
    page_no -= extent.count;
  }
  return BlockNo::none;
}

inline bool is_cold(uint32_t block) {
  return (block & format::cold_bit) != 0;
}

// The two files of an index. Blocks of the companion carry format::cold_bit, so that they sort after all others.
enum class Space : uint8_t { main, companion };

namespace detail {

inline bool lies_in(uint32_t block, Space space) {
  return is_cold(block) == (space == Space::companion);
}

// Behind the last block in use, cold_bit included.
inline uint32_t end_of_space(ManifestHeaderDisk const& header, Space space) {
  return space == Space::main ? header.frontier : format::cold_bit | header.cold_frontier;
}

// An extent that lies within its file, as far as the manifest knows it.
inline bool is_placed(ManifestHeaderDisk const& header, ExtentDisk const& extent) {
  Space const space = is_cold(extent.start) ? Space::companion : Space::main;
  return extent.count > 0 && uint64_t(extent.start) + extent.count <= end_of_space(header, space);
}

struct MetaResult {
  Status status;
  MetaDisk meta;
};

template <Pager P>
Status decode_manifest(P& pager, std::byte const* bytes, uint32_t size, Manifest* manifest) {
  ManifestHeaderDisk& header = manifest->header;
  if (size < sizeof header) return corrupt("manifest is shorter than its header");
  std::memcpy(&header, bytes, sizeof header);
  if (is_cold(header.frontier) || is_cold(header.cold_frontier) || (header.cold_frontier && !header.companion))
    return corrupt("manifest has impossible frontiers");
  uint64_t wanted = sizeof header + uint64_t(header.object_count) * sizeof(ObjectDisk) +
                    (uint64_t(header.extent_count) + header.free_extent_count) * sizeof(ExtentDisk);
  if (wanted != size) return corrupt("manifest has impossible counts");
  manifest->objects.reserve(pager, header.object_count);
  std::byte const* at = bytes + sizeof header;
  std::byte const* extents = at + size_t(header.object_count) * sizeof(ObjectDisk);
  uint32_t extents_left = header.extent_count;
  for (uint32_t i = 0; i < header.object_count; i++) {
    ManifestObject object{};
    std::memcpy(&object.disk, at, sizeof object.disk);
    at += sizeof object.disk;
    if (uint32_t(object.disk.kind) - 1 >= uint32_t(ObjectKind::calibration) ||
        uint32_t(object.disk.state) - 1 >= uint32_t(ObjectState::retired))
      return corrupt("object of unknown kind or state", object.disk.id);
    if (object.disk.extent_count > extents_left) return corrupt("manifest has too few extents", object.disk.id);
    extents_left -= object.disk.extent_count;
    object.extents.reserve(pager, object.disk.extent_count);
    object.extents.count = object.disk.extent_count;
    if (object.disk.extent_count)
      std::memcpy(object.extents.items, extents, object.disk.extent_count * sizeof(ExtentDisk));
    extents += object.disk.extent_count * sizeof(ExtentDisk);
    uint64_t pages = 0;
    for (ExtentDisk const& extent : object.extents) {
      pages += extent.count;
      if (!detail::is_placed(header, extent)) return corrupt("extent lies past the frontier", object.disk.id);
    }
    if (pages != object.disk.page_count) return corrupt("extents do not add up", object.disk.id);
    manifest->objects.push(pager, object);
  }
  if (extents_left != 0) return corrupt("manifest has too many extents");
  manifest->free.reserve(pager, header.free_extent_count);
  manifest->free.count = header.free_extent_count;
  if (header.free_extent_count)
    std::memcpy(manifest->free.items, extents, header.free_extent_count * sizeof(ExtentDisk));
  uint64_t end = 0;
  for (ExtentDisk const& extent : manifest->free) {
    if (extent.count == 0 || (end != 0 && extent.start <= end))
      return corrupt("free extents are not sorted or touch", extent.start);
    end = uint64_t(extent.start) + extent.count;
    Space const space = is_cold(extent.start) ? Space::companion : Space::main;
    if (end >= end_of_space(header, space)) return corrupt("free extent lies at or past the frontier", extent.start);
  }
  return {};
}

// Sizes on pages are believed only as far as the file reaches: pages of a readable object were all written before the
// manifest named them. What is free, being written or retired may lie past the end of a file that a crash left short.
inline Status check_reach(Manifest const& manifest, uint32_t block_count) {
  for (format::SlotDisk const& slot : manifest.meta.slot)
    if (uint64_t(slot.start) + slot.page_count > manifest.header.frontier)
      return corrupt("manifest slot lies past the frontier", slot.start);
  for (ManifestObject const& object : manifest.objects) {
    if (object.disk.state != ObjectState::live && object.disk.state != ObjectState::frozen) continue;
    bool was_cold = false;
    for (ExtentDisk const& extent : object.extents) {
      bool const cold = is_cold(extent.start);
      if ((cold && object.disk.tier == 0) || (was_cold && !cold))
        return corrupt("object lies in the wrong file", object.disk.id);
      was_cold = cold;
      // How long the companion is, is asked when its pages are.
      if (!cold && uint64_t(extent.start) + extent.count > block_count)
        return corrupt("object lies past the end of the file", object.disk.id);
    }
  }
  return {};
}

// How long the companion must be for what is readable in it.
inline uint32_t companion_reach(Manifest const& manifest) {
  uint32_t reach = 0;
  for (ManifestObject const& object : manifest.objects) {
    if (object.disk.state != ObjectState::live) continue;
    for (ExtentDisk const& extent : object.extents) {
      uint32_t const end = is_cold(extent.start) ? (extent.start & ~format::cold_bit) + extent.count : 0;
      if (end > reach) reach = end;
    }
  }
  return reach;
}

template <Pager P>
std::byte* encode_manifest(P& pager, Manifest& manifest, uint32_t* size) {
  ManifestHeaderDisk& header = manifest.header;
  header.object_count = manifest.objects.count;
  header.free_extent_count = manifest.free.count;
  header.extent_count = 0;
  for (auto& object : manifest.objects) {
    object.disk.extent_count = object.extents.count;
    object.disk.page_count = 0;
    for (ExtentDisk const& extent : object.extents) object.disk.page_count += extent.count;
    header.extent_count += object.extents.count;
  }
  *size = uint32_t(sizeof header + header.object_count * sizeof(ObjectDisk) +
                   (header.extent_count + header.free_extent_count) * sizeof(ExtentDisk));
  auto* bytes = static_cast<std::byte*>(pager.allocate(*size));
  std::byte* at = bytes + sizeof header;
  auto put = [&at](void const* source, size_t count) {
    if (count) std::memcpy(at, source, count);
    at += count;
  };
  for (auto const& object : manifest.objects) put(&object.disk, sizeof object.disk);
  for (auto const& object : manifest.objects) put(object.extents.items, object.extents.count * sizeof(ExtentDisk));
  put(manifest.free.items, manifest.free.count * sizeof(ExtentDisk));
  header.crc = 0;
  std::memcpy(bytes, &header, sizeof header);
  header.crc = crc32c(bytes, *size);
  std::memcpy(bytes, &header, sizeof header);
  return bytes;
}

}  // namespace detail

template <Pager P>
Status read_meta(P& pager, MetaDisk* meta) {
  auto result = pager.read(BlockNo(0), [](format::PageView page) {
    detail::MetaResult read{};
    read.status = format::check_page(page, format::PageKind::meta, ObjectId::none, 0);
    if (read.status.ok()) read.meta = page.as<MetaDisk>();
    if (read.status.ok()) read.status = format::check_meta(read.meta);
    if (read.status.ok()) read.status = check_shape(read.meta);
    return read;
  });
  *meta = result.meta;
  return result.status;
}

// Fills `manifest` with the state in force. No locks on entry or exit.
template <Pager P>
Status load_manifest(P& pager, Manifest* manifest) {
  for (;;) {
    *manifest = Manifest{};
    MetaDisk& meta = manifest->meta;
    if (Status status = read_meta(pager, &meta); !status.ok()) return status;
    format::SlotDisk slot = meta.slot[meta.active_slot];
    uint32_t block_count = pager.block_count();
    uint32_t page_count = (meta.manifest_size - 1) / format::page_body_size + 1;
    if (meta.manifest_size == 0 || slot.start + page_count > block_count)
      return corrupt("manifest lies past the end of the file", slot.start);
    auto* bytes = static_cast<std::byte*>(pager.allocate(meta.manifest_size));
    bool overtaken = false;
    for (uint32_t done = 0, page_no = 0; done < meta.manifest_size && !overtaken; page_no++) {
      uint32_t part = meta.manifest_size - done;
      if (part > format::page_body_size) part = format::page_body_size;
      overtaken = pager.read(BlockNo(slot.start + page_no), [&](format::PageView page) {
        if (!format::check_page(page, format::PageKind::manifest, ObjectId::none, uint32_t(meta.generation)).ok())
          return true;
        std::memcpy(bytes + done, page.body(), part);
        return false;
      });
      done += part;
    }
    if (overtaken) {
      MetaDisk again;
      if (Status status = read_meta(pager, &again); !status.ok()) return status;
      if (again.generation == meta.generation)
        return corrupt("manifest slot does not carry its generation", slot.start);
      pager.release(bytes);
      pager.check_interrupts();
      continue;
    }
    Status status = detail::decode_manifest(pager, bytes, meta.manifest_size, manifest);
    if (status.ok()) {
      uint32_t crc = manifest->header.crc, zero = 0;
      std::memcpy(bytes + offsetof(ManifestHeaderDisk, crc), &zero, sizeof zero);
      if (crc32c(bytes, meta.manifest_size) != crc)
        status = corrupt("manifest has a wrong checksum");
      else if (manifest->header.generation != meta.generation)
        status = corrupt("manifest has a wrong generation");
      else
        status = detail::check_reach(*manifest, block_count);
    }
    pager.release(bytes);
    if (status.ok()) pager.use_companion(manifest->header.companion, detail::companion_reach(*manifest));
    return status;
  }
}

template <Pager P>
void release_manifest(P& pager, Manifest* manifest) {
  for (auto& object : manifest->objects)
    if (object.extents.items) pager.release(object.extents.items);
  if (manifest->objects.items) pager.release(manifest->objects.items);
  if (manifest->free.items) pager.release(manifest->free.items);
  *manifest = Manifest{};
}

// Gives pages back to the free list (F3). The caller removes them from their object.
template <Pager P>
void free_extent(P& pager, Manifest& manifest, ExtentDisk extent) {
  auto& free = manifest.free;
  uint32_t at = 0;
  while (at < free.count && free[at].start < extent.start) at++;
  bool joins_left = at > 0 && free[at - 1].start + free[at - 1].count == extent.start;
  bool joins_right = at < free.count && extent.start + extent.count == free[at].start;
  if (joins_left && joins_right) {
    free[at - 1].count += extent.count + free[at].count;
    free.remove(at);
  } else if (joins_left) {
    free[at - 1].count += extent.count;
  } else if (joins_right) {
    free[at].start = extent.start;
    free[at].count += extent.count;
  } else {
    free.insert(pager, at, extent);
  }
  // What was freed lies in the last free extent of its file, if in one that ends there.
  Space const space = is_cold(extent.start) ? Space::companion : Space::main;
  uint32_t end = free.count;
  while (end > 0 && !detail::lies_in(free[end - 1].start, space)) end--;
  ExtentDisk const last = free[end - 1];
  if (last.start + last.count != detail::end_of_space(manifest.header, space)) return;
  if (space == Space::main)
    manifest.header.frontier = last.start;
  else
    manifest.header.cold_frontier = last.start & ~format::cold_bit;
  free.remove(end - 1);
}

namespace detail {

// Takes `count` pages off the front of free extent `at`.
inline ExtentDisk take_free(Manifest& manifest, uint32_t at, uint32_t count) {
  auto& free = manifest.free;
  ExtentDisk const extent{free[at].start, count};
  free[at].start += count;
  free[at].count -= count;
  if (free[at].count == 0) free.remove(at);
  return extent;
}

// The first free extent of at least `page_count` pages in the space, or free.count.
inline uint32_t find_free(Manifest const& manifest, uint32_t page_count, Space space = Space::main) {
  uint32_t at = 0;
  while (at < manifest.free.count && (manifest.free[at].count < page_count || !lies_in(manifest.free[at].start, space)))
    at++;
  return at;
}

}  // namespace detail

// Takes `page_count` pages, as near to the front of the file as can be, so that its end falls free: the first free
// extent that holds them; else large free extents, first to last, until one holds the rest; else the frontier.
template <Pager P>
void allocate_extents(P& pager, Manifest& manifest, uint32_t page_count, Array<ExtentDisk>* taken,
                      Space space = Space::main) {
  constexpr uint32_t piece_pages_min = 64;  // smaller pieces would cost more in seeks and manifest bytes than they save
  auto put = [&](ExtentDisk extent) {
    if (taken->count && (*taken)[taken->count - 1].start + (*taken)[taken->count - 1].count == extent.start)
      (*taken)[taken->count - 1].count += extent.count;
    else
      taken->push(pager, extent);
  };
  auto& free = manifest.free;
  while (page_count > 0) {
    uint32_t at = detail::find_free(manifest, page_count, space);
    if (at == free.count) at = detail::find_free(manifest, piece_pages_min, space);
    if (at == free.count) {
      put({detail::end_of_space(manifest.header, space), page_count});
      (space == Space::main ? manifest.header.frontier : manifest.header.cold_frontier) += page_count;
      return;
    }
    uint32_t const count = free[at].count < page_count ? free[at].count : page_count;
    put(detail::take_free(manifest, at, count));
    page_count -= count;
  }
}

namespace detail {

// Gives the slot that is not in force other pages when it has too few, with room to grow; or when there are free ones
// before it, so that it does not keep the file from shrinking. That may add a free extent to the manifest.
template <Pager P>
bool move_slot(P& pager, Manifest& manifest, uint32_t page_count, format::SlotDisk* slot) {
  format::SlotDisk const old = *slot;
  bool const grows = page_count > old.page_count;
  uint32_t const wanted = grows ? page_count * 2 : old.page_count, at = find_free(manifest, wanted);
  if (at < manifest.free.count && (grows || manifest.free[at].start < old.start)) {
    ExtentDisk const taken = take_free(manifest, at, wanted);
    *slot = {taken.start, taken.count};
  } else if (grows) {
    *slot = {manifest.header.frontier, wanted};
    manifest.header.frontier += wanted;
  } else {
    return false;
  }
  free_extent(pager, manifest, {old.start, old.page_count});
  return true;
}

// Writes `manifest` as the next generation. Requires LockName::edit.
template <Pager P>
Status store_manifest(P& pager, Manifest& manifest) {
  MetaDisk meta = manifest.meta;
  uint32_t target = 1 - meta.active_slot;
  manifest.header.generation = meta.generation + 1;
  uint32_t size = 0;
  std::byte* bytes = encode_manifest(pager, manifest, &size);
  // Moving the slot may add an extent.
  uint32_t needed = uint32_t(size + sizeof(ExtentDisk) + format::page_body_size - 1) / format::page_body_size;
  if (move_slot(pager, manifest, needed, &meta.slot[target])) {
    pager.release(bytes);
    bytes = encode_manifest(pager, manifest, &size);
  }
  if (is_cold(manifest.header.frontier) || is_cold(manifest.header.cold_frontier))
    return {Code::limit, "an index cannot have that many pages"};
  needed = (size + format::page_body_size - 1) / format::page_body_size;
  pager.extend_to(meta.slot[target].start + meta.slot[target].page_count);
  auto* contents = static_cast<std::byte*>(pager.allocate(size_t(fresh_pages_max) * format::page_content_size));
  for (uint32_t first = 0; first < needed; first += fresh_pages_max) {
    FreshPage pages[fresh_pages_max];
    uint32_t count = needed - first < fresh_pages_max ? needed - first : fresh_pages_max;
    for (uint32_t i = 0; i < count; i++) {
      uint32_t offset = (first + i) * format::page_body_size;
      uint32_t part = size - offset < format::page_body_size ? size - offset : format::page_body_size;
      format::PageSpan page{contents + size_t(i) * format::page_content_size};
      format::init_page(page, format::PageKind::manifest, ObjectId::none, uint32_t(manifest.header.generation), part);
      std::memcpy(page.body(), bytes + offset, part);
      pages[i] = {BlockNo(meta.slot[target].start + first + i), page.content};
    }
    pager.write_fresh(pages, count);
  }
  meta.active_slot = target;
  meta.generation = manifest.header.generation;
  meta.manifest_size = size;
  pager.change([&](auto& action) {
    action.open(BlockNo(0)).template as<MetaDisk>() = meta;
    return 0;
  });
  manifest.meta = meta;
  pager.release(contents);
  pager.release(bytes);
  return {};
}

}  // namespace detail

enum class Edit : uint8_t { keep, discard };

struct EditResult {
  Status status;
  Edit edit;
};

// One atomic change of the manifest: fn(Manifest&) -> EditResult works on a private copy under LockName::edit; when it
// returns an ok status and Edit::keep, the copy becomes the state in force. No locks on entry (but possibly
// LockName::merge) or exit. On return `manifest`, when given, is the state in force.
template <Pager P, class Fn>
Status edit_manifest(P& pager, Fn&& fn, Manifest* manifest = nullptr) {
  static_assert(JumpSafe<Fn>);
  Manifest local;
  Manifest& work = manifest ? *manifest : local;
  pager.lock(LockName::edit);
  Status status = load_manifest(pager, &work);
  if (status.ok()) {
    EditResult result = fn(work);
    status = result.status;
    if (status.ok() && result.edit == Edit::keep) status = detail::store_manifest(pager, work);
  }
  pager.unlock(LockName::edit);
  return status;
}

// Appends an object and returns it; the pointer is valid until the next push. Extents are the caller's.
template <Pager P>
ManifestObject* add_object(P& pager, Manifest& manifest, ObjectKind kind, ObjectState state) {
  ManifestObject object{};
  object.disk.id = manifest.header.next_object_id++;
  object.disk.kind = kind;
  object.disk.state = state;
  object.disk.created_at = pager.now();
  return &manifest.objects.push(pager, object);
}

// Removes an object and frees its pages at once: only for objects that no reader can know or knows any more.
template <Pager P>
void remove_object(P& pager, Manifest& manifest, ObjectId id) {
  for (uint32_t i = 0; i < manifest.objects.count; i++) {
    if (manifest.objects[i].disk.id != raw(id)) continue;
    Array<ExtentDisk> extents = manifest.objects[i].extents;
    manifest.objects.remove(i);
    for (ExtentDisk const& extent : extents) free_extent(pager, manifest, extent);
    return;
  }
}

// Creates an empty index: block 0 and both slots. `meta` gives the fixed properties; the rest is filled in.
template <Pager P>
Status create_index(P& pager, MetaDisk meta) {
  meta.magic = format::meta_magic;
  meta.format_version = format::index_format_version;
  meta.generation = 0;
  meta.active_slot = 1;
  meta.manifest_size = 0;
  meta.slot[0] = {1, 1};
  meta.slot[1] = {2, 1};
  if (Status status = format::check_meta(meta); !status.ok()) return status;
  pager.extend_to(3);
  pager.change([&](auto& action) {
    format::PageSpan page = action.init(BlockNo(0));
    format::init_page(page, format::PageKind::meta, ObjectId::none, 0, sizeof meta);
    page.template as<MetaDisk>() = meta;
    return 0;
  });
  Manifest manifest{};
  manifest.meta = meta;
  manifest.header.next_object_id = 1;
  manifest.header.frontier = 3;
  return detail::store_manifest(pager, manifest);
}

}  // namespace strata::store
