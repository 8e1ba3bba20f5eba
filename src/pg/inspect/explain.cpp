// EXPLAIN (ANALYZE) tells below the plan what each ivf index of the query did. The scans are over by then: their
// reports are collected when they end. Scans of parallel workers stay unknown, as does what EXPLAIN EXECUTE runs, which
// asks no hook.
#include "pg/postgres.hpp"

#include "pg/am/scan_report.hpp"
#include "pg/compat.hpp"
#include "pg/settings.hpp"

namespace strata::pg {
namespace {

ExplainOneQuery_hook_type previous_explain = nullptr;

// The reports of one EXPLAIN, one for each index; in the memory of the statement.
struct Explained {
  MemoryContext context;
  bool timed;
  List* reports;  // of ScanReport
};
Explained* explaining = nullptr;

void add_counters(store::SearchCounters* sum, store::SearchCounters const& more) {
  sum->list_count += more.list_count;
  sum->code_count += more.code_count;
  sum->growing_count += more.growing_count;
  sum->refined_count += more.refined_count;
  sum->masked_count += more.masked_count;
  sum->bloom_test_count += more.bloom_test_count;
  sum->bloom_skip_count += more.bloom_skip_count;
  sum->bloom_false_count += more.bloom_false_count;
  sum->segment_count += more.segment_count;
  sum->skipped_segment_count += more.skipped_segment_count;
  sum->skipped_list_count += more.skipped_list_count;
  sum->gather_count += more.gather_count;
  sum->advance_count += more.advance_count;
}

void add_report(ScanReport* sum, ScanReport const& more) {
  add_counters(&sum->counters, more.counters);
  sum->scan_count += more.scan_count;
  sum->page_count += more.page_count;
  sum->prefetched_count += more.prefetched_count;
  sum->heap_count += more.heap_count;
  sum->returned_count += more.returned_count;
  for (uint32_t i = 0; i < store::search_stage_count; i++) sum->stage_ns[i] += more.stage_ns[i];
}

struct Number {
  char const* name;
  uint64_t value;
  uint64_t silent;  // text leaves it out when it has this value
};

void put_numbers(ExplainState* out, Number const* numbers, size_t count) {
  bool const text = out->format == EXPLAIN_FORMAT_TEXT;
  for (size_t i = 0; i < count; i++) {
    Number const& number = numbers[i];
    if (!text)
      ExplainPropertyInteger(number.name, nullptr, int64(number.value), out);
    else if (number.value != number.silent)
      appendStringInfo(out->str, " %s=" UINT64_FORMAT, number.name, number.value);
  }
}

void put_counters(ExplainState* out, ScanReport const& report) {
  store::SearchCounters const& counters = report.counters;
  constexpr uint64_t never = UINT64_MAX;
  Number const numbers[] = {
      {"scans", report.scan_count, 1},
      {"rows", report.returned_count, never},
      {"segments", counters.segment_count, never},
      {"segments_skipped", counters.skipped_segment_count, 0},
      {"lists", counters.list_count, never},
      {"lists_skipped", counters.skipped_list_count, 0},
      {"codes", counters.code_count, never},
      {"masked", counters.masked_count, 0},
      {"growing_rows", counters.growing_count, 0},
      {"refined", counters.refined_count, never},
      {"gathers", counters.gather_count, 0},
      {"heap_rows", report.heap_count, never},
      {"pages", report.page_count, never},
      {"prefetched", report.prefetched_count, 0},
      {"continuations", counters.advance_count, 0},
      {"bloom_tests", counters.bloom_test_count, 0},
      {"bloom_skips", counters.bloom_skip_count, 0},
      {"bloom_false_positives", counters.bloom_false_count, 0},
  };
  put_numbers(out, numbers, lengthof(numbers));
}

struct StageName {
  store::SearchStage stage;
  char const* name;
};
constexpr StageName stage_names[] = {
    {store::SearchStage::open, "open"},     {store::SearchStage::rank, "rank"}, {store::SearchStage::scan, "scan"},
    {store::SearchStage::refine, "refine"}, {store::SearchStage::heap, "heap"},
};

void put_times(ExplainState* out, ScanReport const& report) {
  for (StageName const& one : stage_names) {
    double const spent_ms = double(report.stage_ns[uint32_t(one.stage)]) / 1e6;
    if (out->format == EXPLAIN_FORMAT_TEXT)
      appendStringInfo(out->str, " %s=%.3f", one.name, spent_ms);
    else
      ExplainPropertyFloat(one.name, "ms", spent_ms, 3, out);
  }
}

void put_report(ExplainState* out, ScanReport const& report, bool timed) {
  char const* const name = get_rel_name(report.index);
  if (!name) return;
  if (out->format == EXPLAIN_FORMAT_TEXT) {
    appendStringInfoSpaces(out->str, out->indent * 2);
    appendStringInfo(out->str, "Index %s:", quote_identifier(name));
    put_counters(out, report);
    appendStringInfoChar(out->str, '\n');
    if (!timed) return;
    appendStringInfoSpaces(out->str, out->indent * 2);
    appendStringInfoString(out->str, "  Times:");
    put_times(out, report);
    appendStringInfoString(out->str, " ms\n");
    return;
  }
  ExplainOpenGroup("IVF Scan", nullptr, true, out);
  ExplainPropertyText("Index Name", name, out);
  put_counters(out, report);
  if (timed) put_times(out, report);
  ExplainCloseGroup("IVF Scan", nullptr, true, out);
}

void put_reports(ExplainState* out, Explained const& explained) {
  if (explained.reports == NIL) return;
  // What is shown after a statement is an element of its own beside it in the structured formats.
  ExplainOpenGroup("Indexes", nullptr, true, out);
  ExplainOpenGroup("IVF Scans", "IVF Scans", false, out);
  ListCell* cell;
  foreach (cell, explained.reports) put_report(out, *static_cast<ScanReport const*>(lfirst(cell)), explained.timed);
  ExplainCloseGroup("IVF Scans", "IVF Scans", false, out);
  ExplainCloseGroup("Indexes", nullptr, true, out);
}

void explain_query(ExplainArguments const& arguments) {
  ExplainState* const out = arguments.out;
  Explained* const outer = explaining;
  Explained mine{CurrentMemoryContext, out->timing, NIL};
  explaining = out->analyze && out->summary ? &mine : nullptr;
  if (previous_explain)
    arguments.call(previous_explain);
  else
    arguments.call_standard();
  explaining = outer;
  put_reports(out, mine);
}

// An error leaves explain_query by a jump, and always ends in one of these.
void at_transaction_end(XactEvent event, void*) {
  if (event == XACT_EVENT_ABORT) explaining = nullptr;
}
void at_subtransaction_end(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
  if (event == SUBXACT_EVENT_ABORT_SUB) explaining = nullptr;
}

}  // namespace

bool times_scans() {
  return settings.track_scan_timing || (explaining && explaining->timed);
}

void note_for_explain(ScanReport const& report) {
  if (!explaining) return;
  ListCell* cell;
  foreach (cell, explaining->reports) {
    auto* const known = static_cast<ScanReport*>(lfirst(cell));
    if (known->index != report.index) continue;
    add_report(known, report);
    return;
  }
  MemoryContext const old = MemoryContextSwitchTo(explaining->context);
  auto* const first = static_cast<ScanReport*>(palloc(sizeof(ScanReport)));
  *first = report;
  explaining->reports = lappend(explaining->reports, first);
  MemoryContextSwitchTo(old);
}

void register_explain() {
  previous_explain = ExplainOneQuery_hook;
  ExplainOneQuery_hook = explain_hook<explain_query>;
  RegisterXactCallback(at_transaction_end, nullptr);
  RegisterSubXactCallback(at_subtransaction_end, nullptr);
}

}  // namespace strata::pg
