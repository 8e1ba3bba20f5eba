// Checks that an operator class of ivf is complete, for the SQL function amvalidate().
#include "pg/postgres.hpp"

#include "pg/am/am_callbacks.hpp"
#include "pg/am/filter_key.hpp"
#include "pg/am/opclass.hpp"

namespace strata::pg {
namespace {

struct Subject {
  char const* opclass_name;
  char const* family_name;
  Oid type;
};

// INFO, as the complaints of the server's own access methods, so that one call shows them all. Returns false.
bool complain(Subject const& subject, char const* about) {
  ereport(INFO, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
                 errmsg("operator class \"%s\" of operator family \"%s\" of access method ivf %s", subject.opclass_name,
                        subject.family_name, about)));
  return false;
}

bool check_procedures(Subject const& subject, CatCList* procedures) {
  bool valid = true;
  bool found = false;
  for (int i = 0; i < procedures->n_members; i++) {
    Form_pg_amproc const form = reinterpret_cast<Form_pg_amproc>(GETSTRUCT(&procedures->members[i]->tuple));
    char const* const name = format_procedure(form->amproc);
    if (form->amproclefttype != form->amprocrighttype)
      valid =
          complain(subject, psprintf("contains support function %s with different left and right input types", name));
    if (form->amprocnum != column_class_procedure)
      valid = complain(subject, psprintf("contains function %s with invalid support number %d", name, form->amprocnum));
    else if (!check_amproc_signature(form->amproc, INTERNALOID, true, 1, 1, INTERNALOID))
      valid = complain(
          subject, psprintf("contains function %s with wrong signature for support number %d", name, form->amprocnum));
    else if (form->amproclefttype == subject.type)
      found = true;
  }
  return found ? valid : complain(subject, psprintf("is missing support function %d", column_class_procedure));
}

bool is_filter_strategy(uint16 strategy) {
  return (strategy >= less && strategy <= greater) || strategy == within_strategy;
}

bool check_distance(Subject const& subject, Form_pg_amop form, char const* name) {
  bool valid = true;
  if (form->amoppurpose != AMOP_ORDER || get_op_rettype(form->amopopr) != FLOAT8OID ||
      !opfamily_can_sort_type(form->amopsortfamily, FLOAT8OID))
    valid = complain(subject, psprintf("contains incorrect ORDER BY specification for operator %s", name));
  if (!check_amop_signature(form->amopopr, FLOAT8OID, form->amoplefttype, form->amoprighttype))
    valid = complain(subject, psprintf("contains operator %s with wrong signature", name));
  return valid;
}

// A class has the operator that orders its vectors, or the one that finds equal values.
bool check_operators(Subject const& subject, CatCList* operators) {
  bool valid = true;
  bool found = false;
  for (int i = 0; i < operators->n_members; i++) {
    Form_pg_amop const form = reinterpret_cast<Form_pg_amop>(GETSTRUCT(&operators->members[i]->tuple));
    char const* const name = format_operator(form->amopopr);
    bool const own = form->amoplefttype == subject.type && form->amoprighttype == subject.type;
    if (form->amopstrategy == distance_strategy) {
      valid = check_distance(subject, form, name) && valid;
    } else if (!is_filter_strategy(form->amopstrategy)) {
      valid =
          complain(subject, psprintf("contains operator %s with invalid strategy number %d", name, form->amopstrategy));
      continue;
    } else if (form->amoppurpose != AMOP_SEARCH || get_op_rettype(form->amopopr) != BOOLOID) {
      valid = complain(subject, psprintf("contains incorrect search specification for operator %s", name));
    }
    if (own && (form->amopstrategy == distance_strategy || form->amopstrategy == equal)) found = true;
  }
  return found ? valid : complain(subject, psprintf("is missing operator %d or %d", distance_strategy, int(equal)));
}

char* family_name(Oid family) {
  HeapTuple const tuple = SearchSysCache1(OPFAMILYOID, ObjectIdGetDatum(family));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for operator family %u", family);
  char* const name = pstrdup(NameStr(reinterpret_cast<Form_pg_opfamily>(GETSTRUCT(tuple))->opfname));
  ReleaseSysCache(tuple);
  return name;
}

}  // namespace

bool am_validate(Oid opclass) {
  HeapTuple const tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for operator class %u", opclass);
  Form_pg_opclass const form = reinterpret_cast<Form_pg_opclass>(GETSTRUCT(tuple));
  Oid const family = form->opcfamily;
  Subject const subject{pstrdup(NameStr(form->opcname)), family_name(family), form->opcintype};

  CatCList* const operators = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(family));
  CatCList* const procedures = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(family));
  bool valid = check_procedures(subject, procedures);
  valid = check_operators(subject, operators) && valid;
  ReleaseCatCacheList(procedures);
  ReleaseCatCacheList(operators);
  ReleaseSysCache(tuple);
  return valid;
}

}  // namespace strata::pg
