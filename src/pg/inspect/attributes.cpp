#include "pg/inspect/attributes.hpp"

#include "pg/entry.hpp"

namespace strata::pg {
namespace {

char* text_of_key(FilterColumn const& column, Oid type, uint64_t key) {
  Oid output;
  bool is_varlena;
  getTypeOutputInfo(type, &output, &is_varlena);
  return OidOutputFunctionCall(output, value_of_key(column.type, key));
}

void put_bound(StringInfo out, char const* name, FilterColumn const& column, Oid type, uint64_t key, bool is_null) {
  appendStringInfo(out, "\"%s\": ", name);
  if (is_null)
    appendStringInfoString(out, "null");
  else
    escape_json(out, text_of_key(column, type, key));
  appendStringInfoString(out, ", ");
}

}  // namespace

Datum attributes_of(PgPager& pager, Relation index, store::ManifestObject const& object,
                    store::ObjectHeaderDisk const& header) {
  RowShape const shape = row_shape(index);
  StringInfoData out;
  initStringInfo(&out);
  for (uint32_t i = 0; i < shape.columns.count; i++) {
    store::StreamDisk const* const stream =
        store::find_stream(header, store::StreamKind::column_summary, format::stream_column(i));
    format::ColumnSummaryDisk summary;
    if (!stream) ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED), errmsg("segment lacks a summary of a column")));
    report(store::read_stream(pager, object, *stream, 0, sizeof summary, &summary));
    Form_pg_attribute const column = TupleDescAttr(RelationGetDescr(index), i + 1);
    appendStringInfoString(&out, i ? ", " : "{");
    escape_json(&out, NameStr(column->attname));
    appendStringInfoString(&out, ": {");
    if (keys_have_order(shape.filters[i].type)) {
      bool const is_null = summary.null_count == header.row_count;
      put_bound(&out, "min", shape.filters[i], column->atttypid, summary.min, is_null);
      put_bound(&out, "max", shape.filters[i], column->atttypid, summary.max, is_null);
    }
    appendStringInfo(&out, "\"nulls\": %u, \"distinct\": %u}", summary.null_count, summary.distinct_count);
  }
  appendStringInfoChar(&out, '}');
  return DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data));
}

bool shows_attributes(OpenIndex const& open) {
  return IndexRelationGetNumberOfKeyAttributes(open.index) > 1 &&
         check_enable_rls(RelationGetRelid(open.heap), InvalidOid, true) != RLS_ENABLED;
}

}  // namespace strata::pg
