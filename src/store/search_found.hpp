// What a search has found: candidates by their bound, and the scores that say how far it has to look.
#pragma once
#include <algorithm>

#include "store/search_stop.hpp"

namespace strata::store::detail {

// Keeps the `limit` smallest scores in a heap, and returns the largest of them once there are so many.
template <Pager P>
float keep_smallest(P& pager, Array<float>& heap, uint32_t limit, float score) {
  if (heap.count < limit) {
    heap.push(pager, score);
    std::push_heap(heap.begin(), heap.end());
  } else if (score < heap[0]) {
    std::pop_heap(heap.begin(), heap.end());
    heap[heap.count - 1] = score;
    std::push_heap(heap.begin(), heap.end());
  }
  return heap.count < limit ? infinity : heap[0];
}

// The same from all scores so far, which are left in another order.
template <Pager P>
float find_smallest(P& pager, Search& search, Array<float>& heap, uint32_t limit) {
  auto& scores = search.scores;
  heap.reserve(pager, limit < search.ranked_total ? limit : uint32_t(search.ranked_total));
  heap.count = scores.count < limit ? scores.count : limit;
  if (scores.count > limit) std::nth_element(scores.begin(), scores.begin() + limit, scores.end());
  if (heap.count) std::memcpy(heap.items, scores.items, size_t(heap.count) * sizeof(float));
  std::make_heap(heap.begin(), heap.end());
  return heap.count < limit ? infinity : heap[0];
}

template <Pager P>
void push_candidate(P& pager, Search& search, Candidate const& candidate) {
  auto later = [](Candidate const& a, Candidate const& b) { return a.lower_bound > b.lower_bound; };
  search.candidates.push(pager, candidate);
  std::push_heap(search.candidates.begin(), search.candidates.end(), later);
  search.scores.push(pager, candidate.score);
  search.tau = keep_smallest(pager, search.top, search.target, candidate.score);
  search.tau_asked = keep_smallest(pager, search.near, rows_asked(search), candidate.score);
}

}  // namespace strata::store::detail
