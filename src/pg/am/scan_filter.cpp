#include "pg/am/scan_filter.hpp"

#include <algorithm>

namespace strata::pg {
namespace {

using segment::Condition;
using segment::Test;

// A condition too many is left to the executor.
void add_condition(ScanFilter* filter, uint16_t column, Condition condition) {
  if (filter->filter.count == store::search_condition_count_max) {
    filter->recheck = true;
    return;
  }
  condition.column = column;
  filter->never = filter->never || condition.test == Test::never;
  filter->conditions[filter->filter.count++] = condition;
}

Condition simple(Test test) {
  Condition condition{};
  condition.test = test;
  return condition;
}

// column = ANY (array).
Condition any_of(FilterColumn const& column, Oid element_type, Datum value) {
  ArrayType* const array = DatumGetArrayTypeP(value);
  int16 length;
  bool by_value;
  char alignment;
  get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &alignment);
  Datum* elements;
  bool* nulls;
  int count;
  deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, alignment, &elements, &nulls, &count);
  auto* keys = static_cast<uint64_t*>(palloc(sizeof(uint64_t) * size_t(count + 1)));
  uint32_t key_count = 0;
  for (int i = 0; i < count; i++) {
    if (nulls[i]) continue;
    Condition const one = condition_of(column, equal, element_type, elements[i]);
    if (one.test == Test::range) keys[key_count++] = one.low;
  }
  std::sort(keys, keys + key_count);
  key_count = uint32_t(std::unique(keys, keys + key_count) - keys);
  Condition condition = simple(key_count ? Test::any_of : Test::never);
  condition.keys = keys;
  condition.key_count = key_count;
  return condition;
}

void read_vector_value(RowShape const& shape, Datum value, ScanFilter* filter) {
  filter->recheck = true;
  if (vector_ref(value, shape.column.element).dim != shape.dim) {
    filter->never = true;
    return;
  }
  auto* const vector = static_cast<float*>(palloc(shape.dim * sizeof(float)));
  Row const row = make_row(shape, value, false, vector);
  Condition condition = simple(Test::range);
  condition.low = condition.high = row.hash;
  add_condition(filter, segment::vector_hash, condition);
}

// The argument is a row of a vector and a radius: types vector_ball and halfvec_ball.
void read_within(Datum value, ScanFilter* filter) {
  HeapTupleHeader const ball = DatumGetHeapTupleHeader(value);
  bool center_null, radius_null;
  Datum const center = GetAttributeByNum(ball, 1, &center_null);
  Datum const radius = GetAttributeByNum(ball, 2, &radius_null);
  filter->recheck = true;
  if (center_null || radius_null) {
    filter->never = true;
    return;
  }
  if (filter->has_within) return;  // the executor looks at the others
  filter->has_within = true;
  filter->center = center;
  filter->radius = DatumGetFloat8(radius);
}

void read_vector_key(RowShape const& shape, ScanKey key, ScanFilter* filter) {
  if (key->sk_flags & SK_SEARCHNULL)
    filter->null_only = true;
  else if (key->sk_flags & SK_SEARCHNOTNULL)
    filter->not_null = true;
  else if (key->sk_flags & SK_ISNULL)
    filter->never = true;
  else if (key->sk_flags & SK_SEARCHARRAY)
    filter->recheck = true;
  else if (key->sk_strategy == equal)
    read_vector_value(shape, key->sk_argument, filter);
  else if (key->sk_strategy == within_strategy)
    read_within(key->sk_argument, filter);
  else
    elog(ERROR, "ivf index has no strategy %d for vectors", key->sk_strategy);
}

void read_filter_key(FilterColumn const& column, uint16_t number, ScanKey key, ScanFilter* filter) {
  if (key->sk_flags & SK_SEARCHNULL) return add_condition(filter, number, simple(Test::null));
  if (key->sk_flags & SK_SEARCHNOTNULL) return add_condition(filter, number, simple(Test::not_null));
  if (key->sk_flags & SK_ISNULL) return add_condition(filter, number, simple(Test::never));
  if (!keys_are_exact(column.type)) filter->recheck = true;
  if (!(key->sk_flags & SK_SEARCHARRAY))
    return add_condition(filter, number, condition_of(column, key->sk_strategy, key->sk_subtype, key->sk_argument));
  if (key->sk_strategy == equal)
    return add_condition(filter, number, any_of(column, key->sk_subtype, key->sk_argument));
  filter->recheck = true;  // a range of ANY
}

// The number of the filter column that `node` is, or -1.
int filter_column_of(Relation index, RowShape const& shape, Index scan_relation, Node const* node) {
  while (node && IsA(node, RelabelType))
    node = reinterpret_cast<Node*>(reinterpret_cast<RelabelType const*>(node)->arg);
  if (!node || !IsA(node, Var)) return -1;
  auto const* const var = reinterpret_cast<Var const*>(node);
  if (Index(var->varno) != scan_relation || var->varlevelsup != 0 || var->varattno <= 0) return -1;
  for (uint32_t i = 0; i < shape.columns.count; i++)
    if (index->rd_index->indkey.values[i + 1] == var->varattno) return int(i);
  return -1;
}

void read_array_qual(Relation index, RowShape const& shape, Index scan_relation, ScalarArrayOpExpr const* clause,
                     ScanFilter* filter) {
  auto* const left = static_cast<Node*>(linitial(clause->args));
  auto* const right = static_cast<Node*>(lsecond(clause->args));
  int const column = filter_column_of(index, shape, scan_relation, left);
  if (!clause->useOr || column < 0 || !IsA(right, Const)) return;
  auto const* const array = reinterpret_cast<Const*>(right);
  Oid const family = index->rd_opfamily[column + 1];
  Oid const collation = index->rd_indcollation[column + 1];
  if (get_op_opfamily_strategy(clause->opno, family) != equal || (collation && collation != clause->inputcollid))
    return;
  if (array->constisnull) return;
  add_condition(filter, uint16_t(column),
                any_of(shape.filters[column], get_element_type(array->consttype), array->constvalue));
}

void read_boolean_qual(Relation index, RowShape const& shape, Index scan_relation, Node const* node, bool value,
                       ScanFilter* filter) {
  int const column = filter_column_of(index, shape, scan_relation, node);
  if (column < 0 || shape.filters[column].type != KeyType::boolean) return;
  Condition condition = simple(Test::range);
  condition.low = condition.high = value;
  add_condition(filter, uint16_t(column), condition);
}

}  // namespace

ScanFilter* read_scan_keys(RowShape const& shape, ScanKey keys, int key_count) {
  auto* const filter = static_cast<ScanFilter*>(palloc0(sizeof(ScanFilter)));
  filter->filter.conditions = filter->conditions;
  for (int i = 0; i < key_count; i++) {
    ScanKey const key = &keys[i];
    if (key->sk_attno == 1)
      read_vector_key(shape, key, filter);
    else
      read_filter_key(shape.filters[key->sk_attno - 2], uint16_t(key->sk_attno - 2), key, filter);
  }
  return filter;
}

void read_plan_quals(Relation index, RowShape const& shape, Index scan_relation, List* quals, ScanFilter* filter) {
  ListCell* cell;
  foreach (cell, quals) {
    auto const* const node = static_cast<Node*>(lfirst(cell));
    if (IsA(node, ScalarArrayOpExpr)) {
      read_array_qual(index, shape, scan_relation, reinterpret_cast<ScalarArrayOpExpr const*>(node), filter);
    } else if (IsA(node, BoolExpr)) {
      auto const* const expression = reinterpret_cast<BoolExpr const*>(node);
      if (expression->boolop == NOT_EXPR)
        read_boolean_qual(index, shape, scan_relation, static_cast<Node*>(linitial(expression->args)), false, filter);
    } else if (IsA(node, BooleanTest)) {
      auto const* const test = reinterpret_cast<BooleanTest const*>(node);
      if (test->booltesttype == IS_TRUE || test->booltesttype == IS_FALSE)
        read_boolean_qual(index, shape, scan_relation, reinterpret_cast<Node*>(test->arg),
                          test->booltesttype == IS_TRUE, filter);
    } else {
      read_boolean_qual(index, shape, scan_relation, node, true, filter);
    }
  }
}

}  // namespace strata::pg
