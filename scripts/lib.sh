# What scripts/test and scripts/quickstart share: packages, the choice of a PostgreSQL, private clusters.
# Sourced by bash; expects `set -u` and the function say().

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

is_root() { [ "$(id -u)" -eq 0 ]; }

# Runs a command as root: as it is, through sudo, or not at all.
as_root() {
  if is_root; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    if [ -n "${CI:-}" ]; then sudo -n "$@"; else sudo "$@"; fi
  else
    return 127
  fi
}

# One compiler a core, and 1.5 GB of memory for each.
job_count() {
  local cores memory_kb
  cores=$(nproc 2>/dev/null || echo 1)
  memory_kb=$(awk '$1 == "MemAvailable:" {print $2}' /proc/meminfo 2>/dev/null)
  local fitting=$((${memory_kb:-4000000} / 1500000))
  [ "$fitting" -lt 1 ] && fitting=1
  echo $((cores < fitting ? cores : fitting))
}

has_apt() { command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1; }

missing_packages() {
  local package
  for package in "$@"; do
    case "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" in
      installed) ;;
      *) echo "$package" ;;
    esac
  done
}

apt_lists_are_fresh=
apt_update() {
  [ -n "$apt_lists_are_fresh" ] && return 0
  say "   apt-get update"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null || return 1
  apt_lists_are_fresh=1
}

# Installs what is missing of the packages named. Does nothing, and needs no rights, when all of them are there.
ensure_packages() {
  has_apt || return 0
  local missing
  missing=$(missing_packages "$@" | tr '\n' ' ')
  missing=${missing% }
  [ -z "$missing" ] && return 0
  if ! is_root && ! command -v sudo >/dev/null 2>&1; then
    die "these packages are missing: $missing
Install them as root:  apt-get install $missing"
  fi
  apt_update || die "apt-get update failed; is there a network, and are you allowed to become root?"
  say "   apt-get install $missing"
  # shellcheck disable=SC2086 # a list of words
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
    </dev/null >"${package_log:-/dev/null}" 2>&1 ||
    die "apt-get could not install: $missing${package_log:+ (see $package_log)}"
}

# Where there is no apt, the programs have to be there already.
ensure_commands() {
  local missing="" name
  for name in "$@"; do
    command -v "$name" >/dev/null 2>&1 || missing="$missing $name"
  done
  [ -z "$missing" ] && return 0
  die "these programs are missing:$missing
Packages are installed on Debian 12 or newer and on Ubuntu only. On other systems install a C++20 compiler, make, CMake,
FAISS and OpenBLAS (serial) as static libraries, GoogleTest, and PostgreSQL 15 or newer with its server headers first."
}

pg_major() { "$1" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/'; }

# A pg_config that belongs to a complete PostgreSQL: server programs and what extensions are built with. Debian's client
# package has the makefiles of that already, but not the header files.
pg_is_complete() {
  local bin
  [ -x "$1" ] || return 1
  bin=$("$1" --bindir) && [ -x "$bin/postgres" ] && [ -x "$bin/initdb" ] && [ -f "$("$1" --pgxs)" ] &&
    [ -f "$("$1" --includedir-server)/postgres.h" ]
}

pg_is_supported() {
  local major
  major=$(pg_major "$1") && [ "$major" -ge 15 ] && [ "$major" -le 19 ]
}

# Sets PG_CONFIG: the caller's, else the newest complete one, else the distribution's, which is installed.
choose_postgres() {
  local candidate major
  if [ -n "${PG_CONFIG:-}" ]; then
    PG_CONFIG=$(command -v "$PG_CONFIG") || die "PG_CONFIG is no program"
    pg_is_supported "$PG_CONFIG" || die "PG_CONFIG=$PG_CONFIG: strata needs PostgreSQL 15 to 19"
    pg_is_complete "$PG_CONFIG" || die "PG_CONFIG=$PG_CONFIG: the server or its header files are missing"
    return
  fi
  for candidate in $(ls -d /usr/lib/postgresql/*/bin/pg_config 2>/dev/null | sort -rV) "$(command -v pg_config)"; do
    if pg_is_complete "$candidate" && pg_is_supported "$candidate"; then
      PG_CONFIG=$candidate
      return
    fi
  done
  has_apt || die "no PostgreSQL 15 to 19 with server header files was found; set PG_CONFIG"
  # A server without its header files, else what the distribution calls postgresql.
  major=$(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null | sort -rV | sed -E 's,.*/([0-9]+)/bin/postgres,\1,' |
    awk '$1 >= 15 && $1 <= 19' | head -n 1)
  if [ -z "$major" ]; then
    is_root || command -v sudo >/dev/null 2>&1 || die "PostgreSQL is missing; install it as root:
  apt-get install postgresql postgresql-server-dev-all"
    apt_update || die "apt-get update failed; is there a network, and are you allowed to become root?"
    major=$(apt-cache depends postgresql 2>/dev/null | sed -nE 's/.*Depends: postgresql-([0-9]+)$/\1/p' | head -n 1)
  fi
  if [ -z "$major" ] || [ "$major" -lt 15 ]; then
    die "this system's PostgreSQL is ${major:-unknown}, strata needs 15 to 19.
The PostgreSQL project has newer ones:
  apt-get install postgresql-common && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh"
  fi
  ensure_packages "postgresql-$major" "postgresql-server-dev-$major"
  PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config
  pg_is_complete "$PG_CONFIG" || die "postgresql-$major was installed, but $PG_CONFIG does not work"
}

# What building the extension needs besides PostgreSQL.
build_packages="g++ make libfaiss-dev libopenblas-serial-dev libsodium-dev"
# What its client program needs on top.
client_packages="libpq-dev libhdf5-dev pkg-config"

# Builds the extension in the tree; from scratch when the objects belong to another PostgreSQL or compiler.
# Requires: the current directory is the tree's root.
build_extension() {
  local stamp=build/extension.stamp wanted
  wanted="$("$PG_CONFIG" --version) $("$PG_CONFIG" --bindir) $(${CXX:-g++} --version | head -n 1)"
  mkdir -p build || return 1
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    make -s clean PG_CONFIG="$PG_CONFIG" || return 1
    printf '%s\n' "$wanted" >"$stamp"
  fi
  make -s -j"$(job_count)" PG_CONFIG="$PG_CONFIG"
}

# The user whom servers run as (PostgreSQL refuses root), and a command run by that user.
server_user() {
  local name
  if ! is_root; then id -un; return; fi
  for name in postgres nobody; do
    if id "$name" >/dev/null 2>&1; then echo "$name"; return; fi
  done
}
as_server() {
  if is_root; then runuser -u "$(server_user)" -- "$@"; else "$@"; fi
}

# Copies PostgreSQL into a directory and prints the copy's bin directory. The programs find their libraries and shared
# files relative to where they are, so the copy is an installation of its own, and `make install` into it changes
# nothing else.
copy_postgres() {  # DIRECTORY
  local target=$1
  local prefix=/ part directory
  local bin share lib include
  bin=$("$PG_CONFIG" --bindir) share=$("$PG_CONFIG" --sharedir)
  lib=$("$PG_CONFIG" --pkglibdir) include=$("$PG_CONFIG" --includedir)
  # The longest directory that all of them share.
  local IFS=/
  for part in ${bin#/}; do
    case "$share/" in "$prefix$part"/*) ;; *) break ;; esac
    case "$lib/" in "$prefix$part"/*) ;; *) break ;; esac
    prefix=$prefix$part/
  done
  unset IFS
  for directory in "$bin" "$share" "$lib"; do
    mkdir -p "$target/${directory#"$prefix"}"
    cp -a "$directory/." "$target/${directory#"$prefix"}/" || return 1
  done
  mkdir -p "$(dirname "$target/${include#"$prefix"}")"
  ln -s "$include" "$target/${include#"$prefix"}"
  bin=$target/${bin#"$prefix"}
  case "$("$bin/pg_config" --pkglibdir)" in
    "$target"/*) echo "$bin" ;;
    *) say "PostgreSQL cannot be copied to $bin: its programs look for files at fixed places" >&2; return 1 ;;
  esac
}
