"""Rules about C++: rooms and their includes, banned names, structs on pages, sizes."""
import re

from tidy_base import Finding, Tree, functions, includes, line_of

# Room -> rooms it may include besides itself. Lower rooms never know the higher ones; policy, segment and history do
# not know each other; policy sees counts and sizes, never the bytes of a page.
CORE_ROOMS = {
    "base": set(),
    "math": {"base"},
    "sets": {"base"},
    "text": {"base", "math"},
    "quant": {"base", "math", "sets"},
    "cluster": {"base", "math", "sets", "quant"},
    "format": {"base", "math", "sets", "quant"},
    "segment": {"base", "math", "sets", "format", "quant", "cluster"},
    "policy": {"base", "math", "sets", "quant", "cluster"},
    "history": {"base", "sets"},
    "files": {"base", "math", "sets", "text"},
}
PG_TYPE_ROOMS = {"pg/type"}  # the types know nothing of indexes, hence not store

SERVER_BANS = [
    (r"\bstd::(?:string|vector|map|unordered_map|set|unordered_set|deque|list|function|unique_ptr|shared_ptr|any)\b",
     "an owning object: an error of the server jumps over its destructor; use spans, palloc or a fixed array"),
    (r"\bthrow\b", "no exception may start here; return a Status or raise an error with ereport"),
    (r"\bnew\b(?!\s*\((?!\s*std::nothrow))", "memory of the server comes from palloc, that of store from its caller"),
]
TRY_BAN = (r"\btry\b", "exceptions are met in src/pg/entry.hpp only; call what may throw through into_core()")
PG_TRY_BAN = (r"\bPG_(?:TRY|CATCH|FINALLY)\b", "leave cleaning up to resource owners and memory contexts")
PURE_BANS = [
    (r"(?<![\w:])(?:std::)?(?:printf|fprintf|vprintf|vfprintf|puts|fputs|putchar)\s*\(",
     "core and store print nothing; return a Status or a value"),
    (r"(?<![\w.>:])(?:std::)?(?:exit|_exit|quick_exit|_Exit)\s*\(", "core and store never end the process"),
    (r"\bstd::(?:thread|jthread|async|mutex|condition_variable)\b|\bpthread_\w+", "one thread in a backend"),
    (r"\bstd::chrono\b|(?<![\w.>:])(?:std::)?(?:clock|time|gettimeofday|clock_gettime)\s*\(",
     "no clocks: time comes in as an argument, or the result could not be repeated"),
    (r"(?<![\w.>:])(?:std::)?s?rand\s*\(|\bstd::(?:random_device|mt19937(?:_64)?|minstd_rand\w*)\b",
     "randomness comes from a seeded Random of core/base/random.hpp"),
    (r"\bstd::(?:cout|cerr|clog|ostream|ofstream|ifstream|fstream)\b"
     r"|#\s*include\s*<(?:iostream|fstream|thread|random)>",
     "no streams, threads or random devices in core and store"),
]
BUFFER_BAN = (r"\b(?:ReadBuffer\w*|LockBuffer\w*|UnlockReleaseBuffer|ReleaseBuffer|ReleaseAndReadBuffer|MarkBufferDirty"
              r"|GenericXLog\w+|XLogInsert|XLogBeginInsert|XLogRegister\w+)\s*\(",
              "only src/pg/page touches buffers and WAL; go through the pager")

FUNCTION_LINES_MAX = 80
FILE_LINES_MAX = 500
FILE_LINES_HARD_MAX = 800
LINE_LENGTH_MAX = 120

# These headers have names that are banned as code.
_HEADER = re.compile(r"\s*#\s*include\s*<(?:new|string|vector|map|set|list|deque|functional)>")


def room_of(path: str) -> str | None:
    """'core/math', 'store', 'pg', 'pg/am' of a path that starts at src/, without src/."""
    parts = path.split("/")
    if parts[0] in ("core", "pg") and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0] if parts[0] in ("core", "store", "pg") else None


def may_include(source: str, target: str) -> bool:
    if source == target:
        return True
    if source.startswith("core/"):
        return target.startswith("core/") and target[5:] in CORE_ROOMS.get(source[5:], set())
    if source == "store":
        return target.startswith("core/")
    if source in PG_TYPE_ROOMS:
        return target.startswith(("core/", "pg"))
    return True


def include_direction(tree: Tree):
    """Rooms include downwards only: base <- math, sets, text <- quant, cluster <- format <- segment; policy and history
    know no formats; core <- store <- pg; nothing in src includes tests."""
    for path in tree.cpp("src/"):
        source = room_of(path[4:])
        if source and source.startswith("core/") and source[5:] not in CORE_ROOMS:
            yield Finding(path, 1, f"room src/{source} is unknown; add it to CORE_ROOMS in tools/tidy_code.py and to "
                          "ARCHITECTURE.md, or put the file into a room that exists")
            continue
        for line, bracket, name in includes(tree.text(path)):
            if bracket == "<" or path == "src/pg/postgres.hpp":
                continue
            target = room_of(name)
            if target is None:
                yield Finding(path, line, f'"{name}" is not a path from src/ on; write "core/...", "store/..." or '
                              '"pg/...", and <...> for libraries')
            elif "src/" + name not in tree.file_set:
                yield Finding(path, line, f'"{name}" does not exist below src/')
            elif source and not may_include(source, target):
                yield Finding(path, line, f"{source} must not include {target}; move what is shared down, or pass it "
                              "in as an argument")


def library_headers(tree: Tree):
    """Headers of FAISS in core/cluster only, headers of the server in src/pg/postgres.hpp only."""
    for path in tree.cpp("src/"):
        for line, _, name in includes(tree.text(path)):
            if name.startswith("faiss/") and not path.startswith("src/core/cluster/"):
                yield Finding(path, line, "FAISS trains codebooks and nothing else; call it through src/core/cluster")
            if name.endswith("postgres.h") and path != "src/pg/postgres.hpp":
                yield Finding(path, line, 'the server\'s headers are read in src/pg/postgres.hpp; include '
                              '"pg/postgres.hpp" (in src/pg only)')


def first_include(tree: Tree):
    """In src/pg every .cpp includes pg/postgres.hpp first, itself or by way of its own header."""
    for path in tree.cpp("src/pg/"):
        rows = includes(tree.text(path))
        if path.endswith(".cpp") and (not rows or not rows[0][2].startswith("pg/")):
            yield Finding(path, rows[0][0] if rows else 1, 'the first include of a file in src/pg is "pg/postgres.hpp" '
                          "or a header of src/pg that includes it first: the server's headers go before all others")


def core_only_last(tree: Tree):
    """In src/core every .cpp includes core/base/core_only.hpp last."""
    for path in tree.cpp("src/core/"):
        rows = includes(tree.text(path))
        if path.endswith(".cpp") and (not rows or rows[-1][2] != "core/base/core_only.hpp"):
            yield Finding(path, rows[-1][0] if rows else 1, 'the last include of a .cpp of core is '
                          '"core/base/core_only.hpp", after an empty line, lest clang-format sorts it up: '
                          'it proves that '
                          "no header of the server came in")


def version_number(tree: Tree):
    """PG_VERSION_NUM in src/pg/compat.hpp only."""
    for path in tree.cpp():
        if path != "src/pg/compat.hpp":
            for match in re.finditer(r"\bPG_VERSION_NUM\b", tree.code(path)):
                yield Finding(path, line_of(tree.code(path), match.start()), "differences between versions of "
                              "PostgreSQL live in src/pg/compat.hpp; add a shim there, named after the newest "
                              "interface")


def banned_names(tree: Tree):
    """src/pg and src/store own nothing and throw nothing; src/core and src/store print, exit, thread and guess
    nothing."""
    for path in tree.cpp("src/"):
        bans = []
        if path.startswith(("src/pg/", "src/store/")):
            bans += SERVER_BANS
            if path != "src/pg/entry.hpp":
                bans.append(TRY_BAN)
        if path.startswith("src/pg/"):
            bans.append(PG_TRY_BAN)
        if path.startswith("src/pg/") and not path.startswith("src/pg/page/") and path != "src/pg/compat.hpp":
            bans.append(BUFFER_BAN)
        if path.startswith(("src/core/", "src/store/")) and path != "src/core/base/check.hpp":
            bans += PURE_BANS
        code = tree.code(path)
        for pattern, remedy in bans:
            for match in re.finditer(pattern, code):
                line = line_of(code, match.start())
                if not _HEADER.match(tree.lines(path)[line - 1]):
                    yield Finding(path, line, f"'{' '.join(match.group().split())}': {remedy}")


def disk_structs(tree: Tree):
    """A struct whose name ends in Disk pins its size and its layout with static_assert in the same file."""
    for path in tree.cpp("src/"):
        code = tree.code(path)
        for match in re.finditer(r"\bstruct\s+(?:alignas\s*\([^)]*\)\s*)?(\w+Disk)\s*\{", code):
            name = match.group(1)
            asserts = " ".join(re.findall(r"static_assert\s*\((.*?)\)\s*;", code, re.DOTALL))
            asserts = re.sub(r"\s+", "", asserts)
            if f"sizeof({name})==" not in asserts:
                yield Finding(path, line_of(code, match.start()), f"{name} is bytes on a page: pin its size with "
                              f"static_assert(sizeof({name}) == ...)")
            if f"offsetof({name}," not in asserts and f"has_unique_object_representations_v<{name}>" not in asserts:
                yield Finding(path, line_of(code, match.start()), f"{name} is bytes on a page: pin its offsets with "
                              "static_assert(offsetof(...) == ...), or prove that it has no padding with "
                              f"std::has_unique_object_representations_v<{name}>")


def pragma_once(tree: Tree):
    """Every header starts with #pragma once."""
    for path in tree.cpp():
        if path.endswith(".hpp") and not path.endswith("core_only.hpp") and "#pragma once" not in tree.text(path):
            yield Finding(path, 1, "add #pragma once after the comment at the head")


def function_length(tree: Tree):
    """Functions of at most 80 lines (tests exempt)."""
    for path in tree.cpp("src/"):
        for head, first, last in functions(tree.code(path)):
            if last - first + 1 > FUNCTION_LINES_MAX:
                yield Finding(path, first, f"{last - first + 1} lines in one function ({head[:60]}); at most "
                              f"{FUNCTION_LINES_MAX}: give its steps names")


def file_length(tree: Tree):
    """Files of at most 500 lines, never above 800 (tests exempt)."""
    suffixes = (".cpp", ".hpp", ".py", ".pl", ".pm", ".sh")
    for path in tree.files:
        is_source = path.startswith("src/") or path.startswith(("tools/", "scripts/"))
        if not is_source or not (path.endswith(suffixes) or path.startswith("scripts/")):
            continue
        count = tree.text(path).count("\n")
        allowed = any("tidy: allow(file-length): " in line for line in tree.lines(path)[:20])
        if count > FILE_LINES_HARD_MAX or (count > FILE_LINES_MAX and not allowed):
            yield Finding(path, FILE_LINES_MAX if count <= FILE_LINES_HARD_MAX else FILE_LINES_HARD_MAX,
                          f"{count} lines; split it by concern (500 at most; a reason at the head of the file, after "
                          "'tidy: allow(file-length): ', allows up to 800)")


def line_length(tree: Tree):
    """Lines of code of at most 120 characters."""
    suffixes = (".cpp", ".hpp", ".py", ".pl", ".pm", ".sh", "CMakeLists.txt", ".cmake")
    for path in tree.files:
        if path.endswith(suffixes) or path.startswith("scripts/"):
            for number, line in enumerate(tree.lines(path), 1):
                if len(line) > LINE_LENGTH_MAX:
                    yield Finding(path, number, f"{len(line)} characters; break the line at {LINE_LENGTH_MAX}")


RULES = {
    "include-direction": include_direction,
    "library-headers": library_headers,
    "first-include": first_include,
    "core-only-last": core_only_last,
    "version-number": version_number,
    "banned-names": banned_names,
    "disk-structs": disk_structs,
    "pragma-once": pragma_once,
    "function-length": function_length,
    "file-length": file_length,
    "line-length": line_length,
}
