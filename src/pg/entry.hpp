// The threshold between the two worlds. Core and store may throw std::bad_alloc and own memory; the server reports
// errors by longjmp, which skips destructors. Hence the rules of src/pg:
// - no C++ exception crosses a C frame: whatever may throw is called through into_core();
// - no jump crosses an object with a destructor: closures and results of into_core() are trivially destructible, and
// what
//   runs inside it never calls a function of the server that can ereport.
#pragma once
#include "pg/postgres.hpp"

#include <concepts>
#include <exception>
#include <new>
#include <type_traits>
#include <utility>

#include "core/base/status.hpp"

// Defines the C symbol strata_<name> of an SQL function together with its info record:
//   STRATA_FUNCTION(vector_in) { ... PG_RETURN_POINTER(result); }
// SQL refers to it as AS 'MODULE_PATHNAME', 'strata_vector_in'. The prefix keeps our symbols apart from those of other
// extensions that are loaded into the same backend. The attribute is spelled out since PG_FUNCTION_INFO_V1 of
// PostgreSQL 15 declares the function without it.
#define STRATA_FUNCTION(name)                                      \
  extern "C" {                                                     \
  extern PGDLLEXPORT Datum strata_##name(FunctionCallInfo fcinfo); \
  PG_FUNCTION_INFO_V1(strata_##name);                              \
  }                                                                \
  Datum strata_##name([[maybe_unused]] FunctionCallInfo fcinfo)

namespace strata::pg {

// What is left of an exception once its catch block is over.
struct CoreFault {
  int sqlstate;
  char text[256];
};
static_assert(std::is_trivially_destructible_v<CoreFault>);

[[noreturn]] inline void raise_fault(CoreFault const& fault) {
  if (fault.sqlstate == ERRCODE_OUT_OF_MEMORY) {
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                    errdetail("A computation of strata could not get the memory it needs.")));
  }
  ereport(ERROR, (errcode(fault.sqlstate), errmsg_internal("%s", fault.text)));
  pg_unreachable();
}

constexpr int sqlstate_of(Code code) {
  switch (code) {
    case Code::ok:
      return ERRCODE_SUCCESSFUL_COMPLETION;
    case Code::corrupt:
      return ERRCODE_INDEX_CORRUPTED;
    case Code::invalid:
      return ERRCODE_DATA_EXCEPTION;
    case Code::limit:
      return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
    case Code::out_of_memory:
      return ERRCODE_OUT_OF_MEMORY;
    case Code::interrupted:
      return ERRCODE_QUERY_CANCELED;
    case Code::recycled:
      return ERRCODE_INDEX_CORRUPTED;
  }
  return ERRCODE_INTERNAL_ERROR;
}

// Returns if `status` is ok, else raises its error. An interrupted computation first lets the pending interrupt speak
// for itself. A page that was recycled under a reader is expected on a standby only, where the query may simply be
// repeated.
inline void report(Status status) {
  if (status.ok()) return;
  if (status.code == Code::interrupted) CHECK_FOR_INTERRUPTS();
  int sqlstate = sqlstate_of(status.code);
  bool const conflict = status.code == Code::recycled && RecoveryInProgress();
  if (conflict) sqlstate = ERRCODE_T_R_SERIALIZATION_FAILURE;
  char const* message = status.message != nullptr ? status.message : "unknown error";
  ereport(ERROR, (errcode(sqlstate), errmsg("%s", message),
                  status.detail != 0 ? errdetail_internal("At " UINT64_FORMAT ".", status.detail) : 0,
                  status.code == Code::corrupt ? errhint("Rebuild the index with REINDEX.") : 0,
                  conflict ? errhint("The query may succeed if it is tried again.") : 0));
}

// Calls fn(), which may throw and may own memory but must not call the server, and returns what it returns. An
// exception becomes a CoreFault, and only after the catch block has destroyed it an ERROR: std::bad_alloc 53200,
// anything else XX000. Requires: fn and its result are trivially destructible (capture by reference, return plain
// values or pointers).
template <std::invocable Fn>
auto into_core(Fn&& fn) -> std::invoke_result_t<Fn> {
  using Result = std::invoke_result_t<Fn>;
  static_assert(std::is_trivially_destructible_v<std::remove_reference_t<Fn>>, "a jump would skip its destructor");
  static_assert(std::is_void_v<Result> || std::is_trivially_destructible_v<Result>, "a jump would skip its destructor");
  CoreFault fault;
  try {
    return std::forward<Fn>(fn)();
  } catch (std::bad_alloc const&) {
    fault.sqlstate = ERRCODE_OUT_OF_MEMORY;
    fault.text[0] = '\0';
  } catch (std::exception const& e) {
    fault.sqlstate = ERRCODE_INTERNAL_ERROR;
    strlcpy(fault.text, e.what(), sizeof fault.text);
  } catch (...) {
    fault.sqlstate = ERRCODE_INTERNAL_ERROR;
    strlcpy(fault.text, "unknown exception", sizeof fault.text);
  }
  raise_fault(fault);
}

}  // namespace strata::pg
