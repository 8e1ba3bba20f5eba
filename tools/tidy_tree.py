"""Rules about the tree: pairs of files, documents, leftovers, names."""
import re
from fnmatch import fnmatch
from pathlib import PurePosixPath

from tidy_base import Finding, Tree

FILE_BYTES_MAX = 512 * 1024
OWN_FILES = {"tools/tidy.py", "tools/tidy_base.py", "tools/tidy_code.py", "tools/tidy_tree.py", "tools/tidy_test.py"}

# Written in two halves, lest this file find itself.
LEFTOVERS = [
    (r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b",
     "finish it or drop it; what is left for later does not belong into the tree"),
    (r"(?<![\w.$}])/(?:wo" r"rk|ho" r"me|ro" r"ot|Us" r"ers)/\w",
     "a path of one machine; compute it, or take it from the environment"),
]
NATIVE = (r"-m(?:arch|tune|cpu)=" r"native",
          "one binary runs on every machine; kernels choose their instruction set at run time")

NAME_SUFFIXES = (".cpp", ".hpp", ".sql", ".out", ".py", ".pl", ".pm", ".md", ".sh", ".spec", ".txt", ".yml", ".control")
BUILT = ("build/", "results/", "output_iso/", "sql/strata--")


def regress_pairs(tree: Tree):
    """Every regression test has its expected output, and the other way round."""
    for path in tree.files:
        match = re.fullmatch(r"sql/([^/]+)\.sql", path)
        if match and "--" not in path and f"expected/{match.group(1)}.out" not in tree.file_set:
            yield Finding(path, 1, f"expected/{match.group(1)}.out is missing; run scripts/test regress, read the "
                          "result line by line, and keep it as the expectation")
        match = re.fullmatch(r"expected/([^/]+?)(?:_\d)?\.out", path)
        if match and f"sql/{match.group(1)}.sql" not in tree.file_set and \
                f"sql/{PurePosixPath(path).stem}.sql" not in tree.file_set:
            yield Finding(path, 1, f"sql/{match.group(1)}.sql is missing; delete the expectation of a test that is "
                          "gone")


def isolation_pairs(tree: Tree):
    """Every isolation spec has its expected output, and the other way round."""
    for path in tree.files:
        match = re.fullmatch(r"test/isolation/specs/([^/]+)\.spec", path)
        if match and f"test/isolation/expected/{match.group(1)}.out" not in tree.file_set:
            yield Finding(path, 1, f"test/isolation/expected/{match.group(1)}.out is missing; run scripts/test "
                          "isolation, read the result, and keep it as the expectation")
        match = re.fullmatch(r"test/isolation/expected/([^/]+?)(?:_\d)?\.out", path)
        if match and f"test/isolation/specs/{match.group(1)}.spec" not in tree.file_set and \
                f"test/isolation/specs/{PurePosixPath(path).stem}.spec" not in tree.file_set:
            yield Finding(path, 1, f"test/isolation/specs/{match.group(1)}.spec is missing; delete the expectation")


def tap_names(tree: Tree):
    """TAP tests are called NNN_name.pl, no number twice, and end with done_testing."""
    seen = {}
    for path in tree.files:
        if not re.fullmatch(r"test/tap/t/[^/]+", path):
            continue
        match = re.fullmatch(r"(\d{3})_[a-z0-9_]+\.pl", PurePosixPath(path).name)
        if not match:
            yield Finding(path, 1, "name it NNN_what_it_proves.pl, or nobody runs it")
            continue
        if match.group(1) in seen:
            yield Finding(path, 1, f"number {match.group(1)} is taken by {seen[match.group(1)]}; take the next free "
                          "one")
        seen.setdefault(match.group(1), path)
        if "done_testing" not in tree.text(path):
            yield Finding(path, 1, "end it with done_testing(), so that a test that stops half-way fails")


def leftovers(tree: Tree):
    """No notes of unfinished work, no paths of one machine, no code for the build machine's processor only."""
    for path in tree.files:
        if path in OWN_FILES:
            continue
        patterns = LEFTOVERS + ([] if path.endswith(".md") else [NATIVE])
        text = tree.text(path)
        if not any(re.search(pattern, text) for pattern, _ in patterns):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            for pattern, remedy in patterns:
                match = re.search(pattern, line)
                if match:
                    yield Finding(path, number, f"'{match.group()}': {remedy}")


def white_space(tree: Tree):
    """No trailing spaces, no carriage returns, a line end at the end (expected outputs exempt)."""
    for path in tree.files:
        text = tree.text(path)
        if not text or path.endswith((".out", ".hex", ".patch")) or path.startswith("test/fuzz/corpus/"):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            if line.endswith((" ", "\t", "\r")):
                yield Finding(path, number, "white space at the end of the line; delete it")
        if not text.endswith("\n"):
            yield Finding(path, text.count("\n") + 1, "the last line has no end; add one")


def file_names(tree: Tree):
    """Files and folders of src, test and tools are in snake_case."""
    pattern = re.compile(r"(?:README|CMakeLists|[a-z0-9_.]+|\.[a-z-]+)(?:\.[a-z0-9]+)*")
    exempt = re.compile(r"test/tap/lib/|test/fuzz/corpus/|test/golden/")
    for path in tree.files:
        if path.startswith(("src/", "test/", "tools/")) and not exempt.match(path):
            for part in path.split("/"):
                if not pattern.fullmatch(part):
                    yield Finding(path, 1, f"'{part}': names of files are in snake_case")
                    break


def file_size(tree: Tree):
    """No data sets and no binaries: a file has at most 512 kB."""
    for path in tree.files:
        size = (tree.root / path).stat().st_size
        if size > FILE_BYTES_MAX:
            yield Finding(path, 1, f"{size // 1024} kB; generate data where it is used, and keep results as tables")


def _prose(text: str) -> list[str]:
    """The lines of a Markdown document, those inside code fences empty."""
    rows, fenced = [], False
    for line in text.split("\n"):
        if re.match(r"\s*(```|~~~)", line):
            fenced = not fenced
            rows.append("")
        else:
            rows.append("" if fenced else line)
    return rows


def one_title(tree: Tree):
    """A document starts with its one '# Title'."""
    for path in tree.files:
        if not path.endswith(".md"):
            continue
        rows = _prose(tree.text(path))
        titles = [number for number, line in enumerate(rows, 1) if line.startswith("# ")]
        if not titles or titles[0] != 1:
            yield Finding(path, 1, "the first line of a document is '# Title'")
        for number in titles[1:]:
            yield Finding(path, number, "a second '# Title'; use '## '")


def names_exist(tree: Tree):
    """Files and folders named in documents exist: `like/this.hpp` in back quotes, and links."""
    tops = {name.split("/")[0] for name in tree.files if "/" in name}
    for path in tree.files:
        if not path.endswith(".md") or path == "CHANGELOG.md":
            continue
        for number, line in enumerate(_prose(tree.text(path)), 1):
            for name in re.findall(r"`([^`\s]+)`", line):
                if _looks_like_path(name, tops) and not _exists(tree, path, name):
                    yield Finding(path, number, f"`{name}` does not exist; correct the name, or take it out")
            for name in re.findall(r"\]\(([^)\s#]+)[^)]*\)", line):
                if not re.match(r"[a-z]+:", name) and not _exists(tree, path, name):
                    yield Finding(path, number, f"the link to {name} leads nowhere; correct it")


def _looks_like_path(name: str, tops: set[str]) -> bool:
    if not re.fullmatch(r"[\w./*{},+-]+", name) or name.startswith(("/", "-")) or name.startswith(BUILT):
        return False
    if "/" in name:
        return name.split("/")[0] in tops | {"core", "store", "pg"}
    return name.endswith(NAME_SUFFIXES) and not name.startswith(".")


def _alternatives(name: str) -> list[str]:
    match = re.search(r"\{([^{}]*)\}", name)
    if not match:
        return [name]
    return [row for part in match.group(1).split(",")
            for row in _alternatives(name[:match.start()] + part + name[match.end():])]


def _exists(tree: Tree, document: str, name: str) -> bool:
    return all(_exists_one(tree, document, row) for row in _alternatives(name))


def _exists_one(tree: Tree, document: str, name: str) -> bool:
    name = name.rstrip("/")
    here = PurePosixPath(document).parent
    candidates = [PurePosixPath(name), here / name, PurePosixPath("src") / name, PurePosixPath("src/core") / name]
    for candidate in candidates:
        text = _normal(candidate)
        if text in tree.file_set or text in tree.directories or text == ".":
            return True
        if "*" in text and any(fnmatch(f, text) for f in tree.files):
            return True
    return "/" not in name and name in tree.base_names


def _normal(path: PurePosixPath) -> str:
    parts = []
    for part in path.parts:
        if part == "..":
            if not parts:
                return str(path)
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts) or "."


def room_readmes(tree: Tree):
    """Every room has a README that says what belongs there."""
    rooms = {"/".join(path.split("/")[:2]) for path in tree.cpp("src/")}
    for room in sorted(rooms):
        if room + "/README.md" not in tree.file_set:
            yield Finding(room, 1, f"{room}/README.md is missing; say what belongs into this room and what does not")


RULES = {
    "regress-pairs": regress_pairs,
    "isolation-pairs": isolation_pairs,
    "tap-names": tap_names,
    "leftovers": leftovers,
    "white-space": white_space,
    "file-names": file_names,
    "file-size": file_size,
    "one-title": one_title,
    "names-exist": names_exist,
    "room-readmes": room_readmes,
}
