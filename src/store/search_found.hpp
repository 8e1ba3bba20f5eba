// What a search has found: candidates by their bound, and the scores that say how far it has to look.
#pragma once
#include <algorithm>

#include "store/search_stop.hpp"

namespace strata::store::detail {

inline float nearer_of(float a, float b) {
  return a < b ? a : b;
}

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
  float const tau = keep_smallest(pager, search.top, search.target, candidate.score);
  float const tau_asked = keep_smallest(pager, search.near, rows_asked(search), candidate.score);
  search.tau = nearer_of(tau, search.reach);
  search.tau_asked = nearer_of(tau_asked, search.reach);
}

}  // namespace strata::store::detail

namespace strata::store {

// True when nothing is left that advance_search could find.
inline bool search_exhausted(Search const& search) {
  return search.flat_done && search.probed == search.order.count && search.tau == detail::infinity;
}

// No row that was not found yet is expected to score below this.
inline float search_unseen(Search const& search) {
  return search_exhausted(search) ? detail::infinity : search.tau;
}

// The least lower bound of all candidates but the first; +inf when there is no other.
inline float second_lower_bound(Search const& search) {
  auto const& heap = search.candidates;
  float bound = heap.count > 1 ? heap[1].lower_bound : detail::infinity;
  return heap.count > 2 && heap[2].lower_bound < bound ? heap[2].lower_bound : bound;
}

// No row that was not handed out yet is expected to score below this.
inline float search_frontier(Search const& search) {
  float const bound = search_unseen(search);
  return search.candidates.count && search.candidates[0].lower_bound < bound ? search.candidates[0].lower_bound : bound;
}

// Takes the candidate with the smallest lower bound, candidates[0]; false when there is none.
inline bool next_candidate(Search& search, Candidate* candidate) {
  if (search.candidates.count == 0) return false;
  auto later = [](Candidate const& a, Candidate const& b) { return a.lower_bound > b.lower_bound; };
  *candidate = search.candidates[0];
  std::pop_heap(search.candidates.begin(), search.candidates.end(), later);
  search.candidates.count--;
  search.counters.candidate_count++;
  return true;
}

// Undoes next_candidate().
template <Pager P>
void put_candidate_back(P& pager, Search& search, Candidate const& candidate) {
  auto later = [](Candidate const& a, Candidate const& b) { return a.lower_bound > b.lower_bound; };
  search.candidates.push(pager, candidate);
  std::push_heap(search.candidates.begin(), search.candidates.end(), later);
  search.counters.candidate_count--;
}

}  // namespace strata::store
