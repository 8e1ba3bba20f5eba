#include "pg/am/toast_places.hpp"

#include "pg/compat.hpp"

namespace strata::pg {
namespace {

struct PlaceHint {
  Oid file;
  Oid value;
  ToastPlace place;  // item 0: nothing known
};
static_assert(sizeof(PlaceHint) == 16);
constexpr uint32 place_hints_max = 1 << 16;
PlaceHint place_hints[place_hints_max];

// The value last seen of a group of neighbouring ids. Small groups are precise, large ones soon all known.
struct Anchor {
  Oid file;  // 0: none
  Oid value;
  BlockNumber block;
};
constexpr int level_shifts[] = {8, 14};  // log2 of the ids in a group
constexpr uint32 anchors_max = 1 << 14;
Anchor anchors[lengthof(level_shifts)][anchors_max];

// How guesses about a table turned out. A right one saves somewhat more than a wrong one costs.
struct Trust {
  Oid file;
  int32 score;  // below zero so many guesses are left out
};
constexpr uint32 trusts_max = 64;
constexpr int32 score_max = 64;
constexpr int32 score_of_failure = -2;
constexpr int32 left_out_count = 16;
Trust trusts[trusts_max];

constexpr uint32 spread = 0x9E3779B1U;

PlaceHint* hint_of(Oid file, Oid value) {
  return &place_hints[(value * spread ^ file) % place_hints_max];
}

Anchor* anchor_of(uint32 level, Oid file, Oid group) {
  return &anchors[level][(group + file * spread) % anchors_max];
}

Anchor const* known_anchor(uint32 level, Oid file, Oid group) {
  Anchor const* const anchor = anchor_of(level, file, group);
  return anchor->file == file && anchor->value >> level_shifts[level] == group ? anchor : nullptr;
}

Trust* trust_of(Oid file) {
  Trust* const trust = &trusts[file * spread % trusts_max];
  if (trust->file != file) *trust = {file, score_max / 2};
  return trust;
}

}  // namespace

bool known_place(Relation table, Oid value, ToastPlace* place) {
  Oid const file = file_of(table).number;
  PlaceHint const* const hint = hint_of(file, value);
  *place = hint->place;
  return hint->place.item != 0 && hint->value == value && hint->file == file;
}

void remember_place(Relation table, Oid value, ToastPlace const& place) {
  Oid const file = file_of(table).number;
  *hint_of(file, value) = {file, value, place};
  for (uint32 level = 0; level < lengthof(level_shifts); level++)
    *anchor_of(level, file, value >> level_shifts[level]) = {file, value, place.block};
}

bool guess_page(Relation table, Oid value, double density, PageGuess* guess) {
  Oid const file = file_of(table).number;
  Trust* const trust = trust_of(file);
  if (trust->score < 0) {
    trust->score++;
    return false;
  }
  for (uint32 level = 0; level < lengthof(level_shifts); level++) {
    Oid const group = value >> level_shifts[level];
    Anchor const* const near = known_anchor(level, file, group);
    if (!near) continue;
    bool const is_before = near->value < value;
    Anchor const* const far = known_anchor(level, file, is_before ? group + 1 : group - 1);
    guess->pages_per_id = density;
    if (far && (far->value > near->value) == (far->block >= near->block)) {
      double const ids = double(far->value) - double(near->value);
      guess->pages_per_id = (double(far->block) - double(near->block)) / ids;
    }
    double const block = double(near->block) + (double(value) - double(near->value)) * guess->pages_per_id;
    guess->block = BlockNumber(Max(0.0, Min(block, double(MaxBlockNumber))));
    return true;
  }
  return false;
}

void judge_guess(Relation table, bool was_right) {
  Trust* const trust = trust_of(file_of(table).number);
  trust->score = Min(trust->score + (was_right ? 1 : score_of_failure), score_max);
  if (trust->score < 0) trust->score = -left_out_count;
}

}  // namespace strata::pg
