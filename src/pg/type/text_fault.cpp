#include "pg/type/text_fault.hpp"

#include "pg/compat.hpp"

namespace strata::pg {

namespace {

Datum syntax_fault(Node* context, TextFault const& f) {
  char const* detail = nullptr;
  if (f.fault == text::Fault::no_opening) {
    detail = psprintf("Vector contents must start with \"%c\".", f.opening);
  } else if (f.fault == text::Fault::no_dimensions) {
    detail = "Unexpected end of input.";
  } else if (f.fault == text::Fault::junk) {
    detail = f.opening == '[' ? "Junk after closing right brace." : "Junk after closing.";
  }
  ereturn(context, Datum(0),
          (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
           errmsg("invalid input syntax for type %s: \"%s\"", f.type_name, f.literal),
           detail != nullptr ? errdetail_internal("%s", detail) : 0));
}

}  // namespace

Datum text_fault(Node* context, TextFault const& f) {
  switch (f.fault) {
    case text::Fault::empty:
      ereturn(context, Datum(0),
              (errcode(ERRCODE_DATA_EXCEPTION), errmsg("%s must have at least 1 dimension", f.type_name)));
    case text::Fault::too_many:
      ereturn(
          context, Datum(0),
          (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("%s cannot have more than %u %s", f.type_name, f.count_max,
                                                           f.opening == '[' ? "dimensions" : "non-zero elements")));
    case text::Fault::not_a_number:
      ereturn(context, Datum(0), (errcode(ERRCODE_DATA_EXCEPTION), errmsg("NaN not allowed in %s", f.type_name)));
    case text::Fault::infinite:
      ereturn(context, Datum(0),
              (errcode(ERRCODE_DATA_EXCEPTION), errmsg("infinite value not allowed in %s", f.type_name)));
    case text::Fault::out_of_range:
      ereturn(context, Datum(0),
              (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
               errmsg("\"%.*s\" is out of range for type %s", static_cast<int>(f.token.size()), f.token.data(),
                      f.type_name)));
    default:
      return syntax_fault(context, f);
  }
}

int32 dims_of_typmod(ArrayType* modifiers, char const* type_name, uint32_t dim_max) {
  int count;
  int32 const* dims = ArrayGetIntegerTypmods(modifiers, &count);
  if (count != 1) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid type modifier")));
  if (dims[0] < 1) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("dimensions for type %s must be at least 1", type_name)));
  }
  if (static_cast<uint32_t>(dims[0]) > dim_max) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("dimensions for type %s cannot exceed %u", type_name, dim_max)));
  }
  return dims[0];
}

}  // namespace strata::pg
