#include "pg/dedup/expire.hpp"

#include "pg/compat.hpp"
#include "pg/dedup/gate.hpp"
#include "pg/dedup/registry.hpp"

namespace strata::pg {
namespace {

// Claims are removed when up to a tenth more of their time is over: a visit reads the whole registry.
constexpr int64 visit_parts = 10;
constexpr int64 visit_min_us = 60 * USECS_PER_SEC;
constexpr int64 visit_max_us = 3600 * USECS_PER_SEC;

}  // namespace

List* list_expiring_gates() {
  List* tables = NIL;
  Relation const triggers = table_open(TriggerRelationId, AccessShareLock);
  TableScanDesc const scan = table_beginscan_catalog(triggers, 0, nullptr);
  for (HeapTuple tuple; (tuple = heap_getnext(scan, ForwardScanDirection)) != nullptr;) {
    auto const* const form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
    if (!OidIsValid(form->tgparentid) && strcmp(NameStr(form->tgname), settling_trigger_name) == 0)
      tables = lappend_oid(tables, form->tgrelid);
  }
  table_endscan(scan);
  table_close(triggers, AccessShareLock);
  return tables;
}

TimestampTz expire_gate(Oid table_oid) {
  TimestampTz next = DT_NOEND;
  StartTransactionCommand();
  PushActiveSnapshot(GetTransactionSnapshot());
  Relation const table = try_relation_open(table_oid, AccessShareLock);
  Gate const* const gate = table ? gate_of(table) : nullptr;
  if (gate && gate->ttl > 0) {
    TimestampTz const now = GetCurrentTransactionStartTimestamp();
    next = now + Max(visit_min_us, Min(gate->ttl / visit_parts, visit_max_us));
    Registry const registry = open_registry(gate->registry);
    remove_expired(registry, now);
    close_registry(registry);
  }
  if (table) relation_close(table, NoLock);
  PopActiveSnapshot();
  CommitTransactionCommand();
  return next;
}

}  // namespace strata::pg
