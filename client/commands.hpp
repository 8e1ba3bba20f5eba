// The two commands.
#pragma once
#include "connection.hpp"
#include "options.hpp"

namespace strata::client {

void import_rows(Options const& options, Connection& connection);
void export_rows(Options const& options, Connection& connection);

}  // namespace strata::client
