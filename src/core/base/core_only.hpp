// Included last by every .cpp of core: the server's headers must not be visible there, since core may throw and
// allocate and the server's error handling jumps over destructors.
#ifdef POSTGRES_H
#error "src/core must not see postgres.h"
#endif
