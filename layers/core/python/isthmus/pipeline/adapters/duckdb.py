"""DuckDB behind the Sql port: one connection per process, one thread, no network."""

import shutil
import weakref
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

_COPY = "COPY ({select}) TO '{file}' (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)"


class DuckDb:
    """Column files and SQL over them; the same columns always give the same bytes."""

    def __init__(self) -> None:
        import duckdb

        self._folder = Path(mkdtemp(prefix="isthmus-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._numbers = count()
        # One thread keeps the order of rows, and with it the bytes of a file, the same on every machine.
        self._connection = duckdb.connect(
            config={"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
        )

    def encode(self, columns: Mapping[str, Any]) -> bytes:
        """One Parquet file (zstd) from equally long columns: numpy arrays, or lists of bytes, str or int."""
        import numpy as np

        with self._connection.cursor() as cursor:
            cursor.register("columns", {name: _array(np, values) for name, values in columns.items()})
            return self._copied(cursor, "SELECT * FROM columns")

    def derive(self, sql: str, files: Mapping[str, Sequence[Path]]) -> bytes:
        """One Parquet file with the rows of a SELECT over `files`."""
        with self._connection.cursor() as cursor:
            _name(cursor, files)
            return self._copied(cursor, sql)

    def query(self, sql: str, files: Mapping[str, Sequence[Path]]) -> list[dict[str, Any]]:
        """The rows of one SELECT, where each name in `files` is a table over those Parquet files."""
        with self._connection.cursor() as cursor:
            _name(cursor, files)
            cursor.execute(sql)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _copied(self, cursor: Any, select: str) -> bytes:
        file = self._folder / f"{next(self._numbers)}.parquet"
        try:
            cursor.execute(_COPY.format(select=select, file=file))
            return file.read_bytes()
        finally:
            file.unlink(missing_ok=True)


def _name(cursor: Any, files: Mapping[str, Sequence[Path]]) -> None:
    for name, paths in files.items():
        cursor.read_parquet([str(path) for path in paths], hive_partitioning=False).create_view(name, replace=True)


def _array(np: Any, values: Any) -> Any:
    """A numpy column; bytes and strings become objects, because fixed-width ones would lose trailing zeros."""
    if isinstance(values, np.ndarray):
        return values
    if values and isinstance(values[0], bytes | str):
        column = np.empty(len(values), object)
        column[:] = values
        return column
    return np.array(values)
