// What programs that use a server have in common: they end their private server when they are interrupted, and say on
// which machine they ran.
#pragma once
#include <iosfwd>

namespace strata::bench {

void install_signal_handlers();

// The commit and the machine, a line each.
void print_origin(std::ostream& out);

}  // namespace strata::bench
