# Sourced by run, churn and life, which set $here: build_bench TARGET builds a program into $build.
root=$(cd "$here/../.." && pwd)
build=${STRATA_BENCH_BUILD:-$root/build/bench}

build_bench() {
  for tool in cmake c++; do
    if ! command -v "$tool" >/dev/null 2>&1; then
      echo "bench: $tool is missing. On Debian and Ubuntu:" >&2
      echo "  apt-get install cmake g++ xz-utils libpq-dev libfaiss-dev libopenblas-serial-dev \\" >&2
      echo "    postgresql postgresql-server-dev-all" >&2
      exit 1
    fi
  done
  mkdir -p "$build"
  log=$build/build.log
  if ! { cmake -S "$here" -B "$build" && cmake --build "$build" --target "$1" -j "$(nproc)"; } >"$log" 2>&1; then
    cat "$log" >&2
    echo "bench: the build failed (log: $log)" >&2
    exit 1
  fi
  if [ -z "${STRATA_BENCH_COMMIT:-}" ]; then
    STRATA_BENCH_COMMIT=$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)
  fi
  export STRATA_BENCH_COMMIT
}
