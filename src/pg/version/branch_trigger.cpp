// Writing to a branch: INSTEAD OF triggers of its view. The base of a branch never changes; what the branch changes is
// in two tables of its own:
//
//     base (table + history at the ordinal)      1  2  3  4
//     gone (keys)                                      3  4
//     delta (rows)                                     3'    5        3' replaces 3, 4 is deleted, 5 is new
//     the branch shows                           1  2  3'    5
//
// Two writers that replace the same row of the base meet at the key of `gone`; the second one gets 40001, never a lost
// update. Rows of the delta are changed only if they still are what the writer saw.
//
// Statements run as the owner of the view: whoever may write to the view needs no right on the tables behind it.
#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/version/as_owner.hpp"
#include "pg/version/base_rows.hpp"
#include "pg/version/branch_gate.hpp"

namespace strata::pg {
namespace {

enum Statement : int { in_gone, in_delta, insert_delta, update_delta, delete_delta, insert_gone, statement_count };

// The statements of one branch, kept for the life of the session.
struct Branch {
  Oid view;
  BaseRows base;
  bool ready;
  int column_count;  // of the view that can be given a value
  AttrNumber* columns;
  int key_count;
  AttrNumber* keys;         // attributes of the view
  Oid* identity_sequences;  // a column of the view each; InvalidOid: no identity
  SPIPlanPtr plans[statement_count];
};

HTAB* branches = nullptr;

char* text_of(HeapTuple row, TupleDesc shape, int column) {
  char* const text = SPI_getvalue(row, shape, column);
  if (!text) elog(ERROR, "branch lacks a description");
  return text;
}

struct Names {
  char *gone, *delta;
};

// ($offset+1, $offset+2, ...) for the columns, or "name, ..." with a prefix.
char* parameter_list(int count, int offset) {
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < count; i++) appendStringInfo(&list, "%s$%d", i ? ", " : "", offset + i + 1);
  return list.data;
}

char* name_list(TupleDesc shape, AttrNumber const* columns, int count, char const* prefix) {
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < count; i++)
    appendStringInfo(&list, "%s%s%s", i ? ", " : "", prefix,
                     quote_identifier(NameStr(TupleDescAttr(shape, columns[i] - 1)->attname)));
  return list.data;
}

void prepare(Branch* branch, Statement which, char const* sql, int count, Oid* types) {
  SPIPlanPtr const plan = SPI_prepare(sql, count, types);
  if (!plan) elog(ERROR, "could not prepare a statement of a branch: %s", SPI_result_code_string(SPI_result));
  if (SPI_keepplan(plan) != 0) elog(ERROR, "SPI_keepplan failed");
  branch->plans[which] = plan;
}

AttrNumber* keep_attributes(TupleDesc shape, char* names, int* count) {
  List* parts = NIL;
  if (!SplitIdentifierString(names, ',', &parts)) elog(ERROR, "invalid list of columns");
  *count = list_length(parts);
  auto* result =
      static_cast<AttrNumber*>(MemoryContextAllocZero(TopMemoryContext, size_t(*count + 1) * sizeof(AttrNumber)));
  ListCell* cell;
  int at = 0;
  foreach (cell, parts)
    for (int i = 0; i < shape->natts; i++)
      if (strcmp(NameStr(TupleDescAttr(shape, i)->attname), static_cast<char*>(lfirst(cell))) == 0)
        result[at++] = AttrNumber(i + 1);
  if (at != *count) elog(ERROR, "view of a branch lacks a column");
  return result;
}

void prepare_all(Branch* branch, TupleDesc shape, Names const& names, char const* match_template) {
  int const n = branch->column_count;
  int const k = branch->key_count;
  auto* types = static_cast<Oid*>(palloc(size_t(2 * n + k) * sizeof(Oid)));
  auto* key_types = static_cast<Oid*>(palloc(size_t(k) * sizeof(Oid)));
  for (int i = 0; i < n; i++) types[i] = types[n + i] = TupleDescAttr(shape, branch->columns[i] - 1)->atttypid;
  for (int i = 0; i < k; i++) key_types[i] = TupleDescAttr(shape, branch->keys[i] - 1)->atttypid;
  char* const columns = name_list(shape, branch->columns, n, "");
  char* const key_columns = name_list(shape, branch->keys, k, "");
  char* const match = psprintf("(SELECT %s) o(%s)", parameter_list(k, 0), key_columns);
  prepare(branch, in_gone, psprintf("SELECT 1 FROM %s t, %s WHERE %s", names.gone, match, match_template), k,
          key_types);
  prepare(branch, in_delta, psprintf("SELECT 1 FROM %s t, %s WHERE %s", names.delta, match, match_template), k,
          key_types);
  prepare(
      branch, insert_gone,
      psprintf("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT DO NOTHING", names.gone, key_columns, parameter_list(k, 0)),
      k, key_types);
  prepare(
      branch, insert_delta,
      psprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE VALUES (%s)", names.delta, columns, parameter_list(n, 0)),
      n, types);
  // $1..$n the row as it was seen, $n+1..$2n as it shall be
  char* const seen = psprintf("(SELECT %s) o(%s) WHERE %s AND pg_catalog.record_image_eq(ROW(%s), ROW(%s))",
                              parameter_list(n, 0), columns, match_template, name_list(shape, branch->columns, n, "t."),
                              name_list(shape, branch->columns, n, "o."));
  prepare(branch, update_delta,
          psprintf("UPDATE %s t SET (%s) = ROW(%s) FROM %s", names.delta, columns, parameter_list(n, n), seen), 2 * n,
          types);
  prepare(branch, delete_delta, psprintf("DELETE FROM %s t USING %s", names.delta, seen), n, types);
}

void find_identities(Branch* branch, TupleDesc shape, Oid head) {
  branch->identity_sequences =
      static_cast<Oid*>(MemoryContextAllocZero(TopMemoryContext, size_t(shape->natts) * sizeof(Oid)));
  for (int i = 0; i < shape->natts; i++) {
    AttrNumber const column = get_attnum(head, NameStr(TupleDescAttr(shape, i)->attname));
    if (column > 0) branch->identity_sequences[i] = identity_sequence_of(head, column);
  }
}

// Reads what the catalog says of the branch behind the view. Inside SPI, as the owner of the view.
void load(Branch* branch, Relation view) {
  char* const sql = psprintf(
      "SELECT v.relid::pg_catalog.oid::pg_catalog.text, t.history::pg_catalog.oid::pg_catalog.text, "
      "v.ordinal::pg_catalog.text, v.gone::pg_catalog.text, v.delta::pg_catalog.text, strata._key_match(v.relid, 't', "
      "'o'), "
      "strata._columns(v.relid, ''::pg_catalog.text, ARRAY(SELECT a.attname FROM pg_catalog.pg_attribute a "
      "WHERE a.attrelid OPERATOR(pg_catalog.=) v.relid AND (a.attname OPERATOR(pg_catalog.=) "
      "'strata_born'::pg_catalog.name "
      "OR a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog.\"char\" OR NOT EXISTS (SELECT FROM "
      "pg_catalog.pg_attribute b "
      "WHERE b.attrelid OPERATOR(pg_catalog.=) %u::pg_catalog.oid AND b.attname OPERATOR(pg_catalog.=) a.attname)))), "
      "(SELECT pg_catalog.string_agg(pg_catalog.quote_ident(k), ',') FROM pg_catalog.unnest(strata._key(v.relid)) k) "
      "FROM strata.version v JOIN strata.versioned_table t ON t.relid OPERATOR(pg_catalog.=) v.relid "
      "WHERE strata._schema_of(v.collection, v.name) OPERATOR(pg_catalog.=) %s AND v.kind OPERATOR(pg_catalog.=) "
      "'branch'",
      RelationGetRelid(view), quote_literal_cstr(get_namespace_name(RelationGetNamespace(view))));
  if (SPI_execute(sql, true, 2) != SPI_OK_SELECT || SPI_processed != 1)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("view \"%s\" is not that of a branch", RelationGetRelationName(view))));
  HeapTuple const row = SPI_tuptable->vals[0];
  TupleDesc const shape = SPI_tuptable->tupdesc;
  TupleDesc const view_shape = RelationGetDescr(view);
  branch->base = {Oid(strtoul(text_of(row, shape, 1), nullptr, 10)), Oid(strtoul(text_of(row, shape, 2), nullptr, 10)),
                  int32_t(strtol(text_of(row, shape, 3), nullptr, 10))};
  Names const names{text_of(row, shape, 4), text_of(row, shape, 5)};
  branch->columns = keep_attributes(view_shape, text_of(row, shape, 7), &branch->column_count);
  branch->keys = keep_attributes(view_shape, text_of(row, shape, 8), &branch->key_count);
  find_identities(branch, view_shape, branch->base.table);
  prepare_all(branch, view_shape, names, text_of(row, shape, 6));
  branch->ready = true;
}

Branch* branch_of(Relation view) {
  if (!branches) {
    HASHCTL control{};
    control.keysize = sizeof(Oid);
    control.entrysize = sizeof(Branch);
    control.hcxt = TopMemoryContext;
    branches = hash_create("strata branches", 8, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  }
  Oid const oid = RelationGetRelid(view);
  bool found;
  auto* branch = static_cast<Branch*>(hash_search(branches, &oid, HASH_ENTER, &found));
  if (!found) {
    *branch = Branch{};
    branch->view = oid;
  }
  if (!branch->ready) load(branch, view);
  return branch;
}

struct Row {
  Datum* values;  // of all columns of the view
  bool* is_null;
};

Row read_row(HeapTuple tuple, TupleDesc shape) {
  Row const row{static_cast<Datum*>(palloc(size_t(shape->natts) * sizeof(Datum))),
                static_cast<bool*>(palloc(size_t(shape->natts)))};
  heap_deform_tuple(tuple, shape, row.values, row.is_null);
  return row;
}

// Rows that the statement returned or changed.
uint64 run(Branch const* branch, Statement which, AttrNumber const* columns, int count, Row const* first,
           Row const* second) {
  int const total = second ? 2 * count : count;
  auto* values = static_cast<Datum*>(palloc(size_t(total) * sizeof(Datum)));
  auto* nulls = static_cast<char*>(palloc(size_t(total)));
  for (int i = 0; i < total; i++) {
    Row const* const row = i < count ? first : second;
    AttrNumber const column = columns[i % count];
    values[i] = row->values[column - 1];
    nulls[i] = row->is_null[column - 1] ? 'n' : ' ';
  }
  int const result = SPI_execute_plan(branch->plans[which], values, nulls, false, 0);
  if (result < 0) elog(ERROR, "statement of a branch failed: %s", SPI_result_code_string(result));
  return SPI_processed;
}
uint64 run_with_key(Branch const* branch, Statement which, Row const& row) {
  return run(branch, which, branch->keys, branch->key_count, &row, nullptr);
}

bool same_key(Branch const* branch, TupleDesc shape, Row const& a, Row const& b) {
  for (int i = 0; i < branch->key_count; i++) {
    int const at = branch->keys[i] - 1;
    Form_pg_attribute const column = TupleDescAttr(shape, at);
    if (a.is_null[at] || b.is_null[at]) return false;
    if (!datum_image_eq(a.values[at], b.values[at], column->attbyval, column->attlen)) return false;
  }
  return true;
}

[[noreturn]] void raise_conflict() {
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                  errmsg("could not serialize access to a branch due to concurrent update"),
                  errhint("The transaction might succeed if retried.")));
  pg_unreachable();
}

void require_free_key(Branch const* branch, Relation view, Row const& row) {
  if (!has_base_row(branch->base, branch->keys, branch->key_count, row.values, row.is_null)) return;
  if (run_with_key(branch, in_gone, row) > 0) return;
  ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
                  errmsg("duplicate key value violates the primary key of branch \"%s\"",
                         get_namespace_name(RelationGetNamespace(view))),
                  errdetail("The version that the branch was made from has a row of this key.")));
}

// The row of the base, or what replaced it, is no longer shown. True when it was a row of the delta.
void take_away(Branch const* branch, Row const& old) {
  if (run(branch, delete_delta, branch->columns, branch->column_count, &old, nullptr) > 0) return;
  if (run_with_key(branch, in_delta, old) > 0 || run_with_key(branch, insert_gone, old) == 0) raise_conflict();
}

void replace(Branch const* branch, Relation view, Row const& old, Row const& row) {
  if (!same_key(branch, RelationGetDescr(view), old, row)) require_free_key(branch, view, row);
  if (run(branch, update_delta, branch->columns, branch->column_count, &old, &row) > 0) return;
  if (run_with_key(branch, in_delta, old) > 0 || run_with_key(branch, insert_gone, old) == 0) raise_conflict();
  run(branch, insert_delta, branch->columns, branch->column_count, &row, nullptr);
}

// Gives identity columns without a value the next one of the table's sequence.
HeapTuple with_identities(Branch const* branch, HeapTuple tuple, TupleDesc shape) {
  for (int i = 0; i < shape->natts; i++) {
    bool is_null;
    heap_getattr(tuple, i + 1, shape, &is_null);
    if (!is_null || !OidIsValid(branch->identity_sequences[i])) continue;
    int64 const number = nextval_internal(branch->identity_sequences[i], false);
    int column = i + 1;
    Oid const type = TupleDescAttr(shape, i)->atttypid;
    Datum value = type == INT8OID   ? Int64GetDatum(number)
                  : type == INT4OID ? Int32GetDatum(int32(number))
                                    : Int16GetDatum(int16(number));
    is_null = false;
    tuple = heap_modify_tuple_by_cols(tuple, shape, 1, &column, &value, &is_null);
  }
  return tuple;
}

// Policies say what others than the owner may write; a branch does not ask them.
void require_no_policies(Oid table, Oid user) {
  if (is_owner(table, user) || check_enable_rls(table, user, true) != RLS_ENABLED) return;
  ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                  errmsg("permission denied to write to a branch of table \"%s\"", get_rel_name(table)),
                  errdetail("The table has row-level security: its branches are written by its owner alone.")));
}

// Null: the gate of the table leaves the row out, or as it was.
HeapTuple write_branch(TriggerData const* data, Oid user, MemoryContext result_context) {
  Relation const view = data->tg_relation;
  TupleDesc const shape = RelationGetDescr(view);
  Branch const* const branch = branch_of(view);
  require_no_policies(branch->base.table, user);
  if (TRIGGER_FIRED_BY_INSERT(data->tg_event)) {
    MemoryContext const old = MemoryContextSwitchTo(result_context);
    HeapTuple const tuple = with_identities(branch, data->tg_trigtuple, shape);
    MemoryContextSwitchTo(old);
    Row const row = read_row(tuple, shape);
    require_free_key(branch, view, row);
    if (is_duplicate_in_branch(view, branch->base.table, row.values, row.is_null)) return nullptr;
    run(branch, insert_delta, branch->columns, branch->column_count, &row, nullptr);
    return tuple;
  }
  Row const old = read_row(data->tg_trigtuple, shape);
  if (TRIGGER_FIRED_BY_DELETE(data->tg_event)) {
    take_away(branch, old);
    return data->tg_trigtuple;
  }
  Row const row = read_row(data->tg_newtuple, shape);
  if (!keeps_vector(view, branch->base.table, old.values, old.is_null, row.values, row.is_null) &&
      is_duplicate_in_branch(view, branch->base.table, row.values, row.is_null))
    return nullptr;
  replace(branch, view, old, row);
  return data->tg_newtuple;
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(version_branch_row) {
  using namespace strata::pg;
  if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_INSTEAD(reinterpret_cast<TriggerData*>(fcinfo->context)->tg_event))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("function \"strata.version_branch_row\" must be fired INSTEAD OF ROW")));
  auto const* const data = reinterpret_cast<TriggerData*>(fcinfo->context);
  MemoryContext const result_context = CurrentMemoryContext;
  OwnerScope const scope = become(data->tg_relation->rd_rel->relowner, SECURITY_LOCAL_USERID_CHANGE);
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  HeapTuple const result = write_branch(data, scope.user, result_context);
  SPI_finish();
  leave(scope);
  return PointerGetDatum(result);
}
