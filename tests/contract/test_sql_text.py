"""SQL is never built from input: text that reaches a database is a literal in the source, values are parameters."""

import ast
from collections.abc import Iterator
from pathlib import Path

import revcart

ROOT = Path(revcart.__file__).parent
_TAKES_SQL = {"text", "exec_driver_sql", "literal_column", "execute", "executemany", "executescript"}
# Put together from pieces of the source: nothing in them comes from outside. Values are parameters there, too.
_KNOWN = {
    "kit/bus_memory.py": {"condition"},  # LIKE or NOT LIKE; one "(topic = ? AND seq > ?)" per topic
    "kit/database.py": {"pragma"},  # PRAGMA takes no parameters
    "kit/documents_sqlite.py": {"self._name", "kind", "label", "columns"},  # names in the source, checked by a pattern
    # Names and privileges take no parameters: the former are quoted, the latter words of the source or the server's.
    "kit/provisioning.py": {"quoted", "where", "_TABLES", "_word(right)"},
    "paysim/store.py": {"table"},  # a loop over the names of its tables
}


def _pieces(node: ast.expr) -> set[str]:
    """What a text is put together from, beside literals; nothing where it is one."""
    if isinstance(node, ast.JoinedStr):
        return {ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue)}
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
        return {ast.unparse(side) for side in (node.left, node.right) if not isinstance(side, ast.Constant)}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "join"):
        return {ast.unparse(argument) for argument in node.args}
    return set()


def _built(source: str) -> Iterator[tuple[int, str]]:
    """Line and piece of every text that is put together and goes to a database."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        if node.func.attr == "text" and ast.unparse(node.func.value) != "sa":
            continue  # schemas.text(…) is a type of the API
        if node.func.attr in _TAKES_SQL:
            for piece in _pieces(node.args[0]):
                yield node.lineno, piece


def test_the_search_finds_what_it_is_for() -> None:
    bad = [
        'sa.text(f"SELECT * FROM t WHERE a = {a}")',
        'sa.text("SELECT %s" % a)',
        'sa.text("SELECT " + a)',
        'sa.text("SELECT {}".format(a))',
        'connection.exec_driver_sql(f"DROP TABLE {a}")',
        'cursor.execute(f"SELECT {a}")',
    ]
    assert [list(_built(source)) for source in bad] == [[(1, "a")]] * len(bad)
    good = ['sa.text("SELECT 1")', "connection.execute(sa.select(a))", "schemas.text(0, 10)", "run.text(f'{a}')"]
    assert [list(_built(source)) for source in good] == [[]] * len(good)


def test_no_sql_is_built_from_input() -> None:
    found = [
        f"{name}:{line}: {piece}"
        for name, source in ((str(file.relative_to(ROOT)), file.read_text()) for file in sorted(ROOT.rglob("*.py")))
        for line, piece in _built(source)
        if piece not in _KNOWN.get(name, ())
    ]
    assert found == []
