// strata.last_scan(): what the last ordered scan of this session did.
#include "pg/am/scan_state.hpp"
#include "pg/entry.hpp"

STRATA_FUNCTION(last_scan) {
  using namespace strata::pg;
  ScanReport const& scan = last_scan;
  if (!scan.any) PG_RETURN_NULL();
  TupleDesc shape;
  if (get_call_result_type(fcinfo, nullptr, &shape) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "return type must be a row type");
  Datum values[] = {
      ObjectIdGetDatum(scan.index),
      Int32GetDatum(int32(scan.counters.segment_count)),
      Int64GetDatum(int64(scan.counters.list_count)),
      Int64GetDatum(int64(scan.counters.code_count)),
      Int64GetDatum(int64(scan.counters.growing_count)),
      Int64GetDatum(int64(scan.counters.refined_count)),
      Int64GetDatum(int64(scan.page_count)),
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
  };
  bool nulls[lengthof(values)] = {};
  PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}
