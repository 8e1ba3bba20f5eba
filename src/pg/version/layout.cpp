// Names and lists of columns for the statements that the commands on versions put together. In C, without a query,
// since every new version makes the server plan all queries anew.
#include "pg/entry.hpp"
#include "pg/version/versioned_table.hpp"

namespace strata::pg {
namespace {

bool contains(ArrayType* names, char const* name) {
  if (!names) return false;
  Datum* values;
  bool* is_null;
  int count;
  deconstruct_array(names, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &values, &is_null, &count);
  for (int i = 0; i < count; i++)
    if (!is_null[i] && strcmp(NameStr(*DatumGetName(values[i])), name) == 0) return true;
  return false;
}

struct Key {
  int count;
  AttrNumber attributes[INDEX_MAX_KEYS];
  Oid operators[INDEX_MAX_KEYS];  // equality
};

Key primary_key(Relation table) {
  Key key{};
  RelationGetIndexList(table);
  if (!OidIsValid(table->rd_pkindex)) return key;
  Relation const index = index_open(table->rd_pkindex, AccessShareLock);
  key.count = IndexRelationGetNumberOfKeyAttributes(index);
  for (int i = 0; i < key.count; i++) {
    key.attributes[i] = index->rd_index->indkey.values[i];
    Oid const type = index->rd_opcintype[i];
    key.operators[i] = get_opfamily_member(index->rd_opfamily[i], type, type, BTEqualStrategyNumber);
    if (!OidIsValid(key.operators[i])) elog(ERROR, "no equality operator for a column of the primary key");
  }
  index_close(index, AccessShareLock);
  return key;
}

char const* column_name(Relation table, AttrNumber attribute) {
  return NameStr(TupleDescAttr(RelationGetDescr(table), attribute - 1)->attname);
}

// OPERATOR(schema.name)
char const* qualified_operator(Oid oid) {
  HeapTuple const tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(oid));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for operator %u", oid);
  auto const* form = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
  char const* const text =
      psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)), NameStr(form->oprname));
  ReleaseSysCache(tuple);
  return text;
}

}  // namespace
}  // namespace strata::pg

// _columns(relation, alias, without): alias.a, alias.b, ...; null when none is left
STRATA_FUNCTION(version_columns) {
  using namespace strata::pg;
  Relation const table = relation_open(PG_GETARG_OID(0), AccessShareLock);
  char const* const alias = text_to_cstring(PG_GETARG_TEXT_PP(1));
  ArrayType* const without = PG_ARGISNULL(2) ? nullptr : PG_GETARG_ARRAYTYPE_P(2);
  TupleDesc const shape = RelationGetDescr(table);
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < shape->natts; i++) {
    Form_pg_attribute const column = TupleDescAttr(shape, i);
    if (column->attisdropped || contains(without, NameStr(column->attname))) continue;
    if (list.len) appendStringInfoString(&list, ", ");
    if (*alias) appendStringInfo(&list, "%s.", alias);
    appendStringInfoString(&list, quote_identifier(NameStr(column->attname)));
  }
  relation_close(table, AccessShareLock);
  if (list.len == 0) PG_RETURN_NULL();
  PG_RETURN_TEXT_P(cstring_to_text_with_len(list.data, list.len));
}

// _key(relation): columns of the primary key, null when there is none
STRATA_FUNCTION(version_key) {
  using namespace strata::pg;
  Relation const table = relation_open(PG_GETARG_OID(0), AccessShareLock);
  Key const key = primary_key(table);
  Datum names[INDEX_MAX_KEYS];
  for (int i = 0; i < key.count; i++) {
    auto* const name = static_cast<Name>(palloc0(NAMEDATALEN));
    namestrcpy(name, column_name(table, key.attributes[i]));
    names[i] = NameGetDatum(name);
  }
  relation_close(table, AccessShareLock);
  if (key.count == 0) PG_RETURN_NULL();
  PG_RETURN_ARRAYTYPE_P(construct_array(names, key.count, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR));
}

// _key_match(relation, left, right, right_prefix): left.k = right.<prefix>k AND ..., operators qualified
STRATA_FUNCTION(version_key_match) {
  using namespace strata::pg;
  Relation const table = relation_open(PG_GETARG_OID(0), AccessShareLock);
  char const* const left = text_to_cstring(PG_GETARG_TEXT_PP(1));
  char const* const right = text_to_cstring(PG_GETARG_TEXT_PP(2));
  char const* const prefix = text_to_cstring(PG_GETARG_TEXT_PP(3));
  Key const key = primary_key(table);
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < key.count; i++) {
    char const* const name = column_name(table, key.attributes[i]);
    appendStringInfo(&text, "%s%s.%s %s ", i ? " AND " : "", left, quote_identifier(name),
                     qualified_operator(key.operators[i]));
    appendStringInfo(&text, "%s.%s", right, quote_identifier(psprintf("%s%s", prefix, name)));
  }
  relation_close(table, AccessShareLock);
  PG_RETURN_TEXT_P(cstring_to_text_with_len(text.data, text.len));
}

// _policy_text(expression, relation, name): an expression of a policy of the relation, for a table called so. Where it
// has subqueries, columns of the table are written with its name.
STRATA_FUNCTION(policy_text) {
  Node* const expression = static_cast<Node*>(stringToNode(text_to_cstring(PG_GETARG_TEXT_PP(0))));
  List* const context = deparse_context_for(NameStr(*PG_GETARG_NAME(2)), PG_GETARG_OID(1));
  PG_RETURN_TEXT_P(cstring_to_text(deparse_expression(expression, context, false, false)));
}

// _schema_of(collection, version). Commands see to it that the name is not too long.
STRATA_FUNCTION(version_schema) {
  auto* const name = static_cast<Name>(palloc0(NAMEDATALEN));
  namestrcpy(name, psprintf("%s_%s", NameStr(*PG_GETARG_NAME(0)), NameStr(*PG_GETARG_NAME(1))));
  PG_RETURN_NAME(name);
}
