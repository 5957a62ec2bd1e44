"""The one way to a codec.

Lives here: `codec`, `exceptions` and their caches. Never here: what they do.
"""

from __future__ import annotations

from functools import cache, lru_cache

from .raised import Raised
from .reading import Reader
from .sealing import Codec
from .shapes import Ann
from .tagged import Resolve, Tagger


def codec(annotation: Ann, *, allow_any: bool = False, resolve: Resolve | None = None) -> Codec:
    """The codec of an annotation; raises `TypeRefused` with PD201, PD202 or PD205.

    With `allow_any`, `Any` takes whatever plain JSON can say. `resolve` finds classes of
    exceptions that cannot be imported (defined in a function), by `module:qualname`.
    """
    try:
        hash(annotation)
    except TypeError:  # Annotated[...] with metadata that has no hash
        return _made(annotation, allow_any, resolve)
    return _kept(annotation, allow_any, resolve)


@cache
def exceptions(resolve: Resolve | None = None) -> Codec:
    """The codec of all exceptions; `resolve` as for `codec`."""
    return Codec(BaseException, Raised([BaseException], _tagger(resolve)))


def _tagger(resolve: Resolve | None) -> Tagger:
    return Tagger(lambda cls: codec(cls, resolve=resolve), resolve)


def _made(annotation: Ann, allow_any: bool, resolve: Resolve | None) -> Codec:
    return Codec(annotation, Reader(_tagger(resolve), allow_any=allow_any).read(annotation))


_kept = lru_cache(maxsize=None)(_made)

exception_codec = exceptions()
"""Exceptions whose classes can be imported."""
