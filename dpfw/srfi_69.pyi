from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeVar

# The names of Scheme, as Hy mangles them.
__all__ = [
    "make_hash_table",
    "hyx_hash_tableXquestion_markX",
    "hyx_alist_XgreaterHthan_signXhash_table",
    "hash_table_equivalence_function",
    "hash_table_hash_function",
    "hash_table_ref",
    "hyx_hash_table_refXsolidusXdefault",
    "hyx_hash_table_setXexclamation_markX",
    "hyx_hash_table_deleteXexclamation_markX",
    "hyx_hash_table_existsXquestion_markX",
    "hyx_hash_table_updateXexclamation_markX",
    "hyx_hash_table_updateXexclamation_markXXsolidusXdefault",
    "hash_table_size",
    "hash_table_keys",
    "hash_table_values",
    "hash_table_walk",
    "hash_table_fold",
    "hyx_hash_table_XgreaterHthan_signXalist",
    "hash_table_copy",
    "hyx_hash_table_mergeXexclamation_markX",
    "hash",
    "string_hash",
    "string_ci_hash",
    "hash_by_identity",
]

_T = TypeVar("_T")
# A dict, or what `make_hash_table` gave.
_Table = TypeVar("_Table")
_Equal: TypeAlias = Callable[[Any, Any], Any]
_Hash: TypeAlias = Callable[..., int]

def make_hash_table(equal: _Equal = ..., hash_function: _Hash | None = None) -> Any: ...
def hyx_hash_tableXquestion_markX(object: object) -> bool: ...
def hyx_alist_XgreaterHthan_signXhash_table(
    alist: Iterable[Iterable[Any]],
    equal: _Equal = ...,
    hash_function: _Hash | None = None,
) -> Any: ...
def hash_table_equivalence_function(table: object) -> _Equal: ...
def hash_table_hash_function(table: object) -> _Hash: ...
def hash_table_ref(
    table: object, key: object, thunk: Callable[[], Any] | None = None
) -> Any: ...
def hyx_hash_table_refXsolidusXdefault(
    table: object, key: object, default: object
) -> Any: ...
def hyx_hash_table_setXexclamation_markX(
    table: object, key: object, value: object
) -> None: ...
def hyx_hash_table_deleteXexclamation_markX(table: object, key: object) -> None: ...
def hyx_hash_table_existsXquestion_markX(table: object, key: object) -> bool: ...
def hyx_hash_table_updateXexclamation_markX(
    table: object,
    key: object,
    function: Callable[[Any], Any],
    thunk: Callable[[], Any] | None = None,
) -> None: ...
def hyx_hash_table_updateXexclamation_markXXsolidusXdefault(
    table: object, key: object, function: Callable[[Any], Any], default: object
) -> None: ...
def hash_table_size(table: object) -> int: ...
def hash_table_keys(table: object) -> list[Any]: ...
def hash_table_values(table: object) -> list[Any]: ...
def hash_table_walk(table: object, procedure: Callable[[Any, Any], Any]) -> None: ...
def hash_table_fold(
    table: object, function: Callable[[Any, Any, _T], _T], initial: _T
) -> _T: ...
def hyx_hash_table_XgreaterHthan_signXalist(table: object) -> list[tuple[Any, Any]]: ...
def hash_table_copy(table: _Table) -> _Table: ...
def hyx_hash_table_mergeXexclamation_markX(table: _Table, source: object) -> _Table: ...
def hash(object: object, bound: int = ...) -> int: ...
def string_hash(string: str, bound: int = ...) -> int: ...
def string_ci_hash(string: str, bound: int = ...) -> int: ...
def hash_by_identity(object: object, bound: int = ...) -> int: ...
