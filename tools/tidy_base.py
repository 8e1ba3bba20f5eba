"""What the rules share: the files of a tree, their text, C++ without comments and strings."""
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

CPP_SUFFIXES = (".cpp", ".hpp")


@dataclass(frozen=True)
class Finding:
    path: str
    line: int  # 1-based
    text: str  # what is wrong and what to do about it


class Tree:
    """A directory and the files of it that are part of the project; paths are relative, with slashes."""

    def __init__(self, root: Path, files: list[str]):
        self.root = root
        self.files = files
        self.file_set = set(files)
        self.base_names = {name.rsplit("/", 1)[-1] for name in files}
        self.directories = {parent.as_posix() for name in files for parent in Path(name).parents} - {"."}

    @lru_cache(maxsize=None)
    def text(self, path: str) -> str:
        """The file's text, empty when it is binary."""
        raw = (self.root / path).read_bytes()
        return "" if b"\0" in raw[:8192] else raw.decode("utf-8", errors="replace")

    @lru_cache(maxsize=None)
    def lines(self, path: str) -> list[str]:
        return self.text(path).split("\n")

    @lru_cache(maxsize=None)
    def code(self, path: str) -> str:
        return blank_comments_and_strings(self.text(path))

    def cpp(self, *prefixes: str) -> list[str]:
        """C++ files below the prefixes, all of them without a prefix."""
        return [f for f in self.files if f.endswith(CPP_SUFFIXES) and f.startswith(prefixes or ("",))]

    def is_allowed(self, rule: str, finding: Finding) -> bool:
        """Whether the line of the finding, or the one above, allows it and gives a reason."""
        if finding.path not in self.file_set:
            return False
        lines = self.lines(finding.path)
        mark = re.compile(r"tidy: allow\(" + re.escape(rule) + r"\): \S")
        return any(0 <= i < len(lines) and mark.search(lines[i]) for i in (finding.line - 1, finding.line - 2))


_COMMENT_OR_STRING = re.compile(
    r"//[^\n]*"
    r"|/\*.*?\*/"
    r'|R"(?P<mark>\w*)\(.*?\)(?P=mark)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'",
    re.DOTALL,
)


def blank_comments_and_strings(text: str) -> str:
    """The same text with comments and literals replaced by spaces; line numbers stay."""
    return _COMMENT_OR_STRING.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)


def includes(text: str) -> list[tuple[int, str, str]]:
    """(line, '<' or '"', name) of every include."""
    return [(line_of(text, m.start()), m.group(1), m.group(2)) for m in _INCLUDE.finditer(text)]


_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)


def functions(code: str) -> list[tuple[str, int, int]]:
    """(head, first line, last line) of the outermost function bodies in code without comments and strings.

    A brace opens a function when what stands before it has a parameter list and is neither a type, a namespace nor an
    initialiser. Nested functions (lambdas) belong to the one around them.
    """
    code = _DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), code)
    found = []
    stack = []  # kinds of the open braces: "scope", "function", "other"
    head_start = function_start = 0
    for match in re.finditer(r"[{};]", code):
        position = match.start()
        inside_function = "function" in stack
        if match.group() == "{":
            head = code[head_start:position].strip()
            kind = "other" if inside_function else _brace_kind(head)
            # What follows `T() : member{...}` is the constructor's body, or one more member.
            if found and code[head_start - 1] == "}" and (not head or head.startswith(",")) and not inside_function:
                kind = "function"
            elif kind == "function":
                function_head = " ".join(head.split())
            if kind == "function":
                function_start = position
            stack.append(kind)
        elif match.group() == "}" and stack:
            if stack.pop() == "function":
                found.append((function_head, line_of(code, function_start), line_of(code, position)))
        if "function" not in stack and not (stack and stack[-1] == "other"):
            head_start = position + 1
    return found


def _brace_kind(head: str) -> str:
    if re.search(r"\bnamespace\b|^extern\s*$|\}\s*extern\s*$", head):
        return "scope"
    plain = re.sub(r"\b(?:alignas|__attribute__|decltype)\s*\((?:[^()]|\([^()]*\))*\)", "", head)
    if re.search(r"\b(?:class|struct|union|enum)\b", plain) and "(" not in plain:
        return "scope"
    if head.endswith("=") or "(" not in plain:
        return "other"
    return "function"
