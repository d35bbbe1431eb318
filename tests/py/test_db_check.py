"""Wrong statements: what the compiler says of them, and what `inlay` prints."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from inlay import toolchain

HEAD = """
#include <inlay.h>
struct user { int64_t id; inlay_str name; };
INLAY_SLICE(users, struct user);
int64_t f(inlay_db *db, inlay_request *request, users all, inlay_str text,
          const char *made, int64_t id);
int64_t f(inlay_db *db, inlay_request *request, users all, inlay_str text,
          const char *made, int64_t id)
{
    char buffer[] = "select 1";
    (void)db; (void)request; (void)all; (void)text; (void)made; (void)id;
    (void)buffer;
    %s
    return 0;
}
"""
DB = "what comes first has to be the inlay_db *"
ROW = "before the SQL comes the type of a row"
LITERAL = "the SQL has to be a literal"
DYNAMIC = "the SQL has to be an inlay_str"
MANY = "a statement has 16 arguments at most"
NUMBERS = ", ".join(str(i) for i in range(1, 18))

# The macro's name and these words are the first thing that is said.
MISTAKES = [
    ('inlay_one(int64_t, "select $1", id);', DB),
    ('inlay_one(struct user, "select 1");', DB),
    ('inlay_exec("delete from t where id = $1", id);', DB),
    ('inlay_exec("delete from t");', DB),
    ('inlay_batch("insert", all);', DB),
    ('inlay_each(struct user, row, "select $1", id) {}', DB),
    ('inlay_one(request, int64_t, "select 1");', DB),
    ("inlay_begin(request);", DB),
    ("inlay_commit(text);", DB),
    ("inlay_transaction(request, 3) {}", DB),
    ("inlay_listen(request, text);", DB),
    ('inlay_one(db, "select $1", id);', ROW),
    ('inlay_all(db, "select 1");', ROW),
    ('inlay_one(db, int[3], "select 1");', ROW),
    ('inlay_each(db, char[8], row, "select 1") {}', ROW),
    ('inlay_one(db, void, "select 1");', "void is no row"),
    ("inlay_one(db, int64_t);", "the SQL is missing"),
    ("inlay_exec(db);", "the SQL is missing"),
    ('inlay_exec(db, int64_t, "select 1");', LITERAL),
    ("inlay_one(db, int64_t, made, id);", LITERAL),
    ("inlay_one(db, int64_t, text);", LITERAL),
    ("inlay_exec(db, buffer);", LITERAL),
    ('inlay_exec(db, id ? "a" : "b");', LITERAL),
    ("inlay_batch(db, made, all);", LITERAL),
    ("inlay_copy_in(db, made, all);", LITERAL),
    ("inlay_each(db, struct user, row, made) {}", LITERAL),
    ('inlay_exec_dynamic(db, "select 1");', DYNAMIC),
    ("inlay_one_dynamic(db, int64_t, made, id);", DYNAMIC),
    (f'inlay_exec(db, "select 1", {NUMBERS});', MANY),
    (f'inlay_each(db, int64_t, row, "select 1", {NUMBERS}) {{}}', MANY),
]
# What the compiler has words of its own for.
PLAIN = [
    ('inlay_one(db, struct usr, "select 1");', "struct usr"),
    ('inlay_exec(db, "select $1", idd);', "idd"),
    ('struct user *user = inlay_one(db, struct user, "select 1");', "struct user"),
]
RIGHT = [
    'inlay_one(db, struct user, "select " "1");',
    'inlay_exec(db, "select $1 $2 $3", buffer, made, ((struct user){1, text}));',
    f'inlay_exec(db, "select 1", {NUMBERS.rsplit(",", 1)[0]});',
    # A statement may be an argument of another, and of itself.
    'inlay_exec(db, "$1", inlay_exec(db, "$1", inlay_exec(db, "x")));',
    'inlay_each(db, int64_t, n, "$1", inlay_one(db, int64_t, "x")) {'
    ' inlay_each(db, int64_t, m, "$1", n) (void)m; }',
    'inlay_batch(db, "$1 $2", inlay_all(db, users, "x $1", inlay_exec(db, "y")));',
    'inlay_exec_dynamic(db, id ? text : INLAY_STR("x"), 1);',
]
COMPILERS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"no {name}"),
    )
    for name in ("gcc", "clang")
]


def say(compiler: str, body: str, folder: Path, *flags: str) -> list[str]:
    """The lines that a compiler prints."""
    source = folder / "wrong.c"
    source.write_text(HEAD % body)
    include = f"-I{toolchain.include_dir()}"
    command = [compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", *flags]
    command += ["-c", include, str(source), "-o", str(folder / "wrong.o")]
    made = subprocess.run(command, capture_output=True, text=True)
    return made.stderr.splitlines()


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize(("body", "words"), MISTAKES)
def test_a_mistake_is_said_first(
    compiler: str, body: str, words: str, tmp_path: Path
) -> None:
    lines = say(compiler, body, tmp_path)
    first = next(line for line in lines if "error:" in line)
    macro = body.split("(")[0]
    assert re.search(rf"wrong\.c:\d+:\d+: .*{macro}: {re.escape(words)}", first)
    assert len([line for line in lines if "error:" in line]) <= 15, lines


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize(("body", "words"), PLAIN)
def test_the_compilers_words_are_few(
    compiler: str, body: str, words: str, tmp_path: Path
) -> None:
    lines = say(compiler, body, tmp_path)
    assert words in next(line for line in lines if "error:" in line)
    assert len(lines) <= 30, lines


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("body", RIGHT)
def test_what_is_right_compiles_without_a_word(
    compiler: str, body: str, tmp_path: Path
) -> None:
    assert not say(compiler, body, tmp_path, "-Wpedantic", "-Wshadow")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("inlay_exec(db, made)", r"asks\.c:5:\d+: .*inlay_exec: " + LITERAL),
        (
            'inlay_exec(db, "select $1")',
            r"asks\.c:5: inlay_exec: the statement has \$1, but 0 arguments",
        ),
        (
            'inlay_copy_in(db, "users (name, id)", (users){0})',
            r"asks\.c:5: inlay_copy_in: column 1 is name, but field 1 of user is id",
        ),
    ],
)
def test_inlay_prints_it_with_its_line(
    statement: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "asks.c").write_text(
        "#include <inlay.h>\n"
        "struct user { int64_t id; inlay_str name; };\n"
        "INLAY_SLICE(users, struct user);\n"
        "int64_t ask(inlay_db *db, const char *made) { (void)made;\n"
        f"    return {statement};\n"
        '}\nINLAY_GET("/ask", ask);\n'
    )
    command = [sys.executable, "-m", "inlay", "run", "asks.c", "--port", "0"]
    made = subprocess.run(
        [*command, "--db", "sqlite:///:memory:"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.returncode != 0
    assert re.search(said, made.stdout + made.stderr), made.stdout + made.stderr
