# Builds and installs the extension with PGXS. `make`, `make install`, `make installcheck`.
# The rooms core and store have a build of their own without PostgreSQL: see CMakeLists.txt.
EXTENSION = strata
EXTVERSION = 0.1
MODULE_big = strata

CORE_SRCS := $(wildcard src/core/*/*.cpp)
PG_SRCS := $(wildcard src/pg/*.cpp src/pg/*/*.cpp)
OBJS := $(CORE_SRCS:.cpp=.o) $(PG_SRCS:.cpp=.o)

# The install script is put together from one part per subject, in the order of their numbers.
SQL_PARTS := $(sort $(wildcard sql/parts/*.sql))
DATA_built = sql/strata--$(EXTVERSION).sql

REGRESS := $(sort $(patsubst sql/%.sql,%,$(filter-out sql/strata--%,$(wildcard sql/*.sql))))
REGRESS_OPTS = --load-extension=strata
ISOLATION := $(sort $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --load-extension=strata

# PostgreSQL < 16 defines PGDLLEXPORT empty and does not hide symbols; from 16 on it does both itself.
PG_CPPFLAGS = -Isrc
PG_CXXFLAGS = -std=c++20 -Wall -Wextra -Werror -Wno-register -fvisibility=hidden -fvisibility-inlines-hidden -O2

MULTIARCH := $(shell $(CXX) -print-multiarch)
OPENBLAS_SERIAL ?= /usr/lib/$(MULTIARCH)/openblas-serial/libopenblas.a
# FAISS trains the codebooks. Static, with the serial OpenBLAS: the threaded one starts threads in every backend.
SHLIB_LINK += -Wl,-Bstatic -lfaiss -lsodium -Wl,-Bdynamic $(OPENBLAS_SERIAL) -lgomp -l:libgfortran.so.5 -lstdc++ -lm -Wl,--exclude-libs,ALL

override with_llvm = no
PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

sql/strata--$(EXTVERSION).sql: $(SQL_PARTS)
	cat $^ > $@

# Kernels: one translation unit per instruction set, chosen at run time; nothing else may use these flags.
%_scalar.o %_avx2.o %_avx512.o %_neon.o: override CXXFLAGS += -O3 -ffp-contract=fast
ifneq ($(filter x86_64%,$(MULTIARCH)),)
%_avx2.o: override CXXFLAGS += -mavx2 -mfma -mf16c -mpopcnt
%_avx512.o: override CXXFLAGS += -mavx2 -mfma -mf16c -mpopcnt -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vbmi -mavx512vnni -mavx512vpopcntdq -mprefer-vector-width=512
endif

# The client program: import and export over a connection. Needs libpq and HDF5, which the extension never does.
HDF5_CONFIG ?= hdf5
CLIENT_SRCS := $(wildcard client/*.cpp)
CLIENT_OBJS := $(CLIENT_SRCS:.cpp=.o)
CLIENT_CORE_OBJS = $(filter src/core/files/% src/core/math/% src/core/text/%,$(OBJS))
.PHONY: client install-client
client: client/strata-file
client/%.o: override CPPFLAGS += -Iclient -I$(includedir) $(shell pkg-config --cflags $(HDF5_CONFIG))
client/strata-file: $(CLIENT_OBJS) $(CLIENT_CORE_OBJS)
	$(CXX) $(CXXFLAGS) -o $@ $^ -L$(libdir) -lpq $(shell pkg-config --libs $(HDF5_CONFIG))
$(CLIENT_OBJS): $(wildcard client/*.hpp src/*/*.hpp src/*/*/*.hpp)
install-client: client
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) client/strata-file '$(DESTDIR)$(bindir)'
EXTRA_CLEAN += $(CLIENT_OBJS) client/strata-file

# Objects depend on every header: simple, and never stale.
$(OBJS): $(wildcard src/*/*.hpp src/*/*/*.hpp)
