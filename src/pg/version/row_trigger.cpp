// The triggers of a versioned table. Before a row changes, its old state goes to the history, if a retained version
// still shows it: the first change after a version copies, the next ones do not. The new state gets the ordinal of now.
//
// The trigger has to be the last of its kind (its name sees to it): a later one could still call the change off, and a
// version would show the row twice.
#include "pg/entry.hpp"

#include "pg/version/history_writer.hpp"
#include "pg/version/versioned_table.hpp"

namespace strata::pg {
namespace {

TriggerData* trigger_data(FunctionCallInfo fcinfo, char const* name) {
  if (!CALLED_AS_TRIGGER(fcinfo))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("function \"%s\" can only be called as a trigger", name)));
  return reinterpret_cast<TriggerData*>(fcinfo->context);
}

// 0 for a row that carries none, which only happens when somebody wrote it past all triggers and defaults.
int32_t born_of(HeapTuple tuple, Relation head, AttrNumber attribute) {
  bool is_null;
  Datum const value = heap_getattr(tuple, attribute, RelationGetDescr(head), &is_null);
  return is_null ? 0 : DatumGetInt32(value);
}

HeapTuple stamped(HeapTuple tuple, Relation head, AttrNumber attribute, int32_t ordinal) {
  bool is_null;
  Datum const value = heap_getattr(tuple, attribute, RelationGetDescr(head), &is_null);
  if (!is_null && DatumGetInt32(value) == ordinal) return tuple;
  int number = attribute;
  Datum born = Int32GetDatum(ordinal);
  is_null = false;
  return heap_modify_tuple_by_cols(tuple, RelationGetDescr(head), 1, &number, &born, &is_null);
}

void keep_if_needed(FunctionCallInfo fcinfo, HeapTuple old, Relation head, VersionedTable const* table) {
  history::Interval const life{born_of(old, head, table->born), table->ordinal};
  if (!history::is_needed(table->retained(), life)) return;
  Oid const history = table->history;
  auto* writer = static_cast<HistoryWriter*>(fcinfo->flinfo->fn_extra);
  if (!is_usable(writer, head, history)) {
    writer = open_history(head, history, fcinfo->flinfo->fn_mcxt);
    fcinfo->flinfo->fn_extra = writer;
  }
  append_history(writer, head, old, life);
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(version_row) {
  using namespace strata::pg;
  TriggerData* const data = trigger_data(fcinfo, "strata.version_row");
  if (!TRIGGER_FIRED_BEFORE(data->tg_event) || !TRIGGER_FIRED_FOR_ROW(data->tg_event))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("function \"strata.version_row\" must be fired BEFORE ROW")));
  Relation const head = data->tg_relation;
  VersionedTable const* const table = versioned_table(head);
  AttrNumber const born = table->born;
  int32_t const ordinal = table->ordinal;
  bool const insert = TRIGGER_FIRED_BY_INSERT(data->tg_event);
  bool const update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
  if (!insert) keep_if_needed(fcinfo, data->tg_trigtuple, head, table);
  if (!insert && !update) return PointerGetDatum(data->tg_trigtuple);
  return PointerGetDatum(stamped(insert ? data->tg_trigtuple : data->tg_newtuple, head, born, ordinal));
}

STRATA_FUNCTION(version_truncate) {
  using namespace strata::pg;
  TriggerData* const data = trigger_data(fcinfo, "strata.version_truncate");
  Relation const head = data->tg_relation;
  if (versioned_table(head)->ordinal_count > 0)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("cannot truncate table \"%s\": it has versions", RelationGetRelationName(head)),
                    errhint("Use DELETE, which keeps what the versions need, or drop the versions first.")));
  return Datum{0};
}
