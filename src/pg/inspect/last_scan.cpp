// strata.last_scan(): what the last ordered scan of this session did.
#include "pg/am/scan_report.hpp"
#include "pg/entry.hpp"

STRATA_FUNCTION(last_scan) {
  using namespace strata::pg;
  namespace store = strata::store;
  ScanReport const& scan = last_scan;
  if (!scan.any) PG_RETURN_NULL();
  TupleDesc shape;
  if (get_call_result_type(fcinfo, nullptr, &shape) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "return type must be a row type");
  constexpr int timed_count = 5;
  auto const spent_ms = [&](store::SearchStage stage) {
    return Float8GetDatum(double(scan.stage_ns[uint32_t(stage)]) / 1e6);
  };
  Datum values[] = {
      ObjectIdGetDatum(scan.index),
      Int32GetDatum(int32(scan.counters.segment_count)),
      Int64GetDatum(int64(scan.counters.list_count)),
      Int64GetDatum(int64(scan.counters.code_count)),
      Int64GetDatum(int64(scan.counters.growing_count)),
      Int64GetDatum(int64(scan.counters.refined_count)),
      Int64GetDatum(int64(scan.page_count)),
      Int64GetDatum(int64(scan.prefetched_count)),
      Int64GetDatum(int64(scan.heap_count)),
      Int64GetDatum(int64(scan.returned_count)),
      Int32GetDatum(int32(scan.counters.advance_count)),
      Int32GetDatum(int32(scan.counters.skipped_segment_count)),
      Int64GetDatum(int64(scan.counters.skipped_list_count)),
      Int64GetDatum(int64(scan.counters.masked_count)),
      Int32GetDatum(int32(scan.counters.gather_count)),
      Int64GetDatum(int64(scan.counters.bloom_test_count)),
      Int64GetDatum(int64(scan.counters.bloom_skip_count)),
      Int64GetDatum(int64(scan.counters.bloom_false_count)),
      spent_ms(store::SearchStage::open),
      spent_ms(store::SearchStage::rank),
      spent_ms(store::SearchStage::scan),
      spent_ms(store::SearchStage::refine),
      spent_ms(store::SearchStage::heap),
  };
  bool nulls[lengthof(values)] = {};
  for (int i = 0; i < timed_count; i++) nulls[lengthof(values) - timed_count + i] = !scan.timed;
  PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}
