// strata.at(NULL::items, 'v2') in FROM becomes the query of the version when the statement is analysed, so that the
// planner sees tables and indexes instead of a function. It does where the version is a constant and the library is
// loaded; otherwise the function runs, with the same rows but without an index.
#include "pg/version/at_rewrite.hpp"

#include "pg/compat.hpp"
#include "pg/version/versioned_table.hpp"

namespace strata::pg {
namespace {

post_parse_analyze_hook_type previous_analyze = nullptr;

// The table and version that the function is called with; relation is InvalidOid when it is another function, or the
// version is not known yet.
struct Call {
  Oid relation;
  char const* version;
};

bool is_at(Oid function) {
  char const* const name = get_func_name(function);
  return name && strcmp(name, "at") == 0 && get_func_namespace(function) == get_namespace_oid("strata", true);
}

Call call_of(RangeTblEntry const* entry) {
  if (entry->rtekind != RTE_FUNCTION || entry->funcordinality || list_length(entry->functions) != 1) return {};
  auto const* function = static_cast<RangeTblFunction*>(linitial(entry->functions));
  if (!IsA(function->funcexpr, FuncExpr)) return {};
  auto const* call = reinterpret_cast<FuncExpr*>(function->funcexpr);
  if (list_length(call->args) != 2 || !is_at(call->funcid)) return {};
  auto* const version = static_cast<Node*>(lsecond(call->args));
  if (!IsA(version, Const) || reinterpret_cast<Const*>(version)->constisnull) return {};
  Oid const relation = get_typ_typrelid(exprType(static_cast<Node*>(linitial(call->args))));
  return {relation, NameStr(*DatumGetName(reinterpret_cast<Const*>(version)->constvalue))};
}

// Calls strata._at_query(relation, version): the statement whose columns are those of the row type, by position.
char* query_text(Call const& call) {
  Oid types[2] = {REGCLASSOID, NAMEOID};
  NameData name;
  namestrcpy(&name, call.version);
  Datum values[2] = {ObjectIdGetDatum(call.relation), NameGetDatum(&name)};
  MemoryContext const caller = CurrentMemoryContext;
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  if (SPI_execute_with_args("SELECT strata._at_query($1, $2)", 2, types, values, nullptr, true, 1) != SPI_OK_SELECT ||
      SPI_processed != 1)
    elog(ERROR, "could not find a version");
  char* const inner = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
  char* const text = MemoryContextStrdup(caller, inner);
  SPI_finish();
  return text;
}

void rewrite(RangeTblEntry* entry, Call const& call) {
  bool const pushed = !ActiveSnapshotSet();
  if (pushed) PushActiveSnapshot(GetTransactionSnapshot());
  char* const text = query_text(call);
  List* const parsed = pg_parse_query(text);
  entry->subquery = parse_analyze_fixedparams(linitial_node(RawStmt, parsed), text, nullptr, 0, nullptr);
  entry->rtekind = RTE_SUBQUERY;
  entry->functions = NIL;
  entry->funcordinality = false;
  if (pushed) PopActiveSnapshot();
}

bool walk(Node* node, void* context) {
  if (!node) return false;
  if (IsA(node, RangeTblEntry)) {
    auto* const entry = reinterpret_cast<RangeTblEntry*>(node);
    Call const call = call_of(entry);
    if (OidIsValid(call.relation)) rewrite(entry, call);
    return false;
  }
  if (IsA(node, Query)) return walk_query_tree(reinterpret_cast<Query*>(node), walk, context, QTW_EXAMINE_RTES_BEFORE);
  return walk_expression_tree(node, walk, context);
}

void analyze(ParseState* state, Query* query, QueryJumble* jumble) {
  if (previous_analyze) previous_analyze(state, query, jumble);
  if (query->commandType != CMD_UTILITY && query->rtable != NIL && IsTransactionState())
    walk_query_tree(query, walk, nullptr, QTW_EXAMINE_RTES_BEFORE);
}

}  // namespace

void register_at_rewrite() {
  previous_analyze = post_parse_analyze_hook;
  post_parse_analyze_hook = analyze;
}

}  // namespace strata::pg
