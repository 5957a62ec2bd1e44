"""The table of types: expressions, and the types that they must have.

Every program stands in a workflow with the parameters below. `?` is unknown (PD203), `!`
unrelated types under one name (PD204). No test lives here.
"""

from __future__ import annotations

from .kinds_bodies import BODIES

HEAD = """\
from __future__ import annotations
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from perdure import Elapsed, after, first, now, saga, seconds, sleep, together
"""

PARAMETERS = (
    "n: int, f: float, b: bool, s: str, d: Decimal, t: datetime, day: date, span: timedelta, "
    "xs: list[int], fs: list[float], ds: list[Decimal], pairs: list[tuple[str, int]], "
    "m: dict[str, int], order: Order, line: Line, some: Line | None, outcome: Paid | Refused, "
    "point: Point, row: Row, event: Event, box: Box[int], names: set[str], "
    "triple: tuple[int, str, float], anys: tuple[int, ...], color: Color, level: Level, "
    "uid: UserId, u: int | str, lines: list[Line], deep: dict[str, list[int]], raw: bytes"
)

_EXPRESSIONS = """
# Literals, f-strings, comparisons.
1                                            -> int
1.5                                          -> float
'a'                                          -> str
b'a'                                         -> bytes
True                                         -> bool
None                                         -> None
f'{n} of {s}'                                -> str
n < 3                                        -> bool
n in xs                                      -> bool
not n                                        -> bool
1 < n < 3                                    -> bool
s is None                                    -> bool
# Parameters, fields of every kind of class, properties.
n                                            -> int
order                                        -> Order
order.id                                     -> int
order.lines                                  -> list[Line]
order.tags                                   -> dict[str, int]
order.first                                  -> Line | None
order.kind                                   -> str
line.note                                    -> str | None
line.total                                   -> Decimal
order.size                                   -> int
point.x                                      -> int
point.y                                      -> float
point[1]                                     -> float
event.at                                     -> datetime
event.what                                   -> str
row['name']                                  -> str
row['note']                                  -> str
box.value                                    -> int
color                                        -> Color
color.value                                  -> str
color.name                                   -> str
level.value                                  -> int
Color.RED                                    -> Color
uid                                          -> UserId
order.lines[0].price                         -> Decimal
# Constants of the module; an annotation there counts, not the value of the day.
LIMIT                                        -> int
RATE                                         -> float
NAME                                         -> str
SPAN                                         -> timedelta
PAIR                                         -> tuple[int, str]
PAIR[1]                                      -> str
# Calls of classes, functions, methods; type variables are solved.
Line('a', 1, d)                              -> Line
Paid(d)                                      -> Paid
Point(1, 2.0)                                -> Point
Event(t, s)                                  -> Event
UserId(3)                                    -> UserId
Box(1)                                       -> Box[int]
Box([s])                                     -> Box[list[str]]
Box(1).get()                                 -> int
box.get()                                    -> int
price_of(line)                               -> Decimal
line.doubled()                               -> Line
Line.parse(s)                                -> Line
line.parse(s)                                -> Line
Line.zero()                                  -> Decimal
line.zero()                                  -> Decimal
head(xs)                                     -> int
head(lines)                                  -> Line
head('abc')                                  -> str
swap((1, 'a'))                               -> tuple[str, int]
either(n, n)                                 -> int
maybe(some, line)                            -> Line
nobody(line)                                 -> ?
Declined(3)                                  -> Declined
Declined(3).code                             -> int
Decimal('1.5')                               -> Decimal
timedelta(days=n)                            -> timedelta
seconds(3)                                   -> timedelta
datetime.fromisoformat(s)                    -> datetime
date.fromisoformat(s)                        -> date
now()                                        -> datetime
# Steps, waits, forks.
await count(n)                               -> int
await find(s)                                -> Line | None
await judge(line)                            -> Paid | Refused
await tell(s)                                -> None
await pick(xs)                               -> int
await pick([line])                           -> Line
await answer.wait()                          -> Paid | Refused
await word.wait()                            -> str
await sleep(span)                            -> None
await together(count(n), find(s))            -> tuple[int, Line | None]
await first(answer.wait(), after(span))      -> Paid | Refused | Elapsed
await first(count(n), word.wait())           -> int | str
(await load(n)).lines                        -> list[Line]
(await together(count(n), pick([s])))[1]     -> str
(await count(n)) + 0.5                       -> float
await count.named('again')(n)                -> int
await pick(items=xs)                         -> int
# Builtins.
len(xs)                                      -> int
sum(xs)                                      -> int
sum([b, b])                                  -> int
sum(fs)                                      -> float | int
sum(ds)                                      -> Decimal | int
sum(ds, Decimal(0))                          -> Decimal
sum(fs, 0.0)                                 -> float
sum(x.count for x in lines)                  -> int
sum([len(x.sku) for x in lines])             -> int
min(xs)                                      -> int
max(n, f)                                    -> int | float
max(ds)                                      -> Decimal
max(xs, default=None)                        -> int | None
min(lines, key=lambda x: x.price)            -> Line
sorted(names)                                -> list[str]
sorted(m)                                    -> list[str]
sorted(m.items())                            -> list[tuple[str, int]]
abs(n)                                       -> int
abs(f)                                       -> float
abs(d)                                       -> Decimal
abs(span)                                    -> timedelta
round(f)                                     -> int
round(f, 2)                                  -> float
round(d)                                     -> int
round(d, 2)                                  -> Decimal
round(n)                                     -> int
list(names)                                  -> list[str]
list('ab')                                   -> list[str]
list(m.values())                             -> list[int]
list(range(n))                               -> list[int]
dict(pairs)                                  -> dict[str, int]
dict(m)                                      -> dict[str, int]
dict(a=1, c=2)                               -> dict[str, int]
dict(zip(names, xs))                         -> dict[str, int]
dict.fromkeys(names, 0)                      -> dict[str, int]
set(xs)                                      -> set[int]
frozenset(xs)                                -> frozenset[int]
tuple(xs)                                    -> tuple[int, ...]
tuple(s)                                     -> tuple[str, ...]
tuple(triple)                                -> tuple[int | str | float, ...]
list(zip(xs, names))                         -> list[tuple[int, str]]
list(enumerate(names))                       -> list[tuple[int, str]]
list(reversed(xs))                           -> list[int]
str(n)                                       -> str
int(s)                                       -> int
float(s)                                     -> float
bool(n)                                      -> bool
repr(n)                                      -> str
any(xs)                                      -> bool
isinstance(u, int)                           -> bool
divmod(n, 2)                                 -> tuple[int, int]
ord(s)                                       -> int
chr(n)                                       -> str
hash(s)                                      -> int
next(iter(xs))                               -> int
next((x for x in xs), None)                  -> int | None
# Methods of the standard types.
s.upper()                                    -> str
s.strip().title()                            -> str
s.split()                                    -> list[str]
s.find('a')                                  -> int
s.startswith('a')                            -> bool
s.partition('a')                             -> tuple[str, str, str]
s.encode()                                   -> bytes
raw.decode()                                 -> str
','.join(names)                              -> str
'{}'.format(n)                               -> str
xs.pop()                                     -> int
xs.copy()                                    -> list[int]
xs.index(1)                                  -> int
m.get('a')                                   -> int | None
m.get('a', 0)                                -> int
deep.get('a', [])                            -> list[int]
m.pop('a')                                   -> int
m.pop('a', None)                             -> int | None
m.setdefault('a', 1)                         -> int
m.copy()                                     -> dict[str, int]
m.popitem()                                  -> tuple[str, int]
names.union(['a'])                           -> set[str]
names.copy()                                 -> set[str]
names.pop()                                  -> str
t.isoformat()                                -> str
t.date()                                     -> date
t.timestamp()                                -> float
t.year                                       -> int
t.replace(hour=1)                            -> datetime
day.weekday()                                -> int
day.month                                    -> int
span.total_seconds()                         -> float
span.days                                    -> int
d.quantize(Decimal('0.01'))                  -> Decimal
d.is_zero()                                  -> bool
n.bit_length()                               -> int
f.is_integer()                               -> bool
anys.count(1)                                -> int
t.utcoffset()                                -> timedelta | None
# Arithmetic.
n + 1                                        -> int
n + f                                        -> float
f - n                                        -> float
n / 2                                        -> float
n // 2                                       -> int
f // 2                                       -> float
n % 7                                        -> int
n ** 2                                       -> int
n ** -1                                      -> float
f ** 2                                       -> float
n ** n                                       -> ?
b + b                                        -> int
b & b                                        -> bool
n | 4                                        -> int
n << 2                                       -> int
-b                                           -> int
-n                                           -> int
-f                                           -> float
~n                                           -> int
d + 1                                        -> Decimal
2 * d                                        -> Decimal
d / 3                                        -> Decimal
d % 3                                        -> Decimal
-d                                           -> Decimal
t - t                                        -> timedelta
t + span                                     -> datetime
span + t                                     -> datetime
t - span                                     -> datetime
day + span                                   -> date
day - day                                    -> timedelta
span * 2                                     -> timedelta
2.5 * span                                   -> timedelta
span / 2                                     -> timedelta
span / span                                  -> float
span // span                                 -> int
span % span                                  -> timedelta
-span                                        -> timedelta
s + s                                        -> str
s * 3                                        -> str
3 * s                                        -> str
s % (n, n)                                   -> str
xs + xs                                      -> list[int]
xs * 2                                       -> list[int]
triple + (n,)                                -> tuple[int, str, float, int]
anys + anys                                  -> tuple[int, ...]
names | names                                -> set[str]
names - {'a'}                                -> set[str]
m | m                                        -> dict[str, int]
line + line                                  -> Line
-line                                        -> Line
LIMIT * RATE                                 -> float
# Indexing and slices.
xs[0]                                        -> int
xs[-1]                                       -> int
xs[1:]                                       -> list[int]
s[0]                                         -> str
s[1:]                                        -> str
raw[0]                                       -> int
triple[0]                                    -> int
triple[-1]                                   -> float
triple[1:]                                   -> tuple[str, float]
anys[0]                                      -> int
anys[1:]                                     -> tuple[int, ...]
m['a']                                       -> int
deep['a'][0]                                 -> int
pairs[0][1]                                  -> int
order['a']                                   -> Line
triple[n]                                    -> int | str | float
range(9)[2]                                  -> int
# Displays and comprehensions.
[1, 2]                                       -> list[int]
[1, 2.5]                                     -> list[int | float]
[n, None]                                    -> list[int | None]
{1, 2}                                       -> set[int]
{'a': 1}                                     -> dict[str, int]
(1, 'a')                                     -> tuple[int, str]
()                                           -> tuple[()]
[*xs, 1]                                     -> list[int]
(*xs, 1)                                     -> tuple[int, ...]
{**m, 'z': 1}                                -> dict[str, int]
[[1], [2]]                                   -> list[list[int]]
[1, 'a']                                     -> ?
[]                                           -> ?
{}                                           -> ?
[x + 1 for x in xs]                          -> list[int]
{x for x in names}                           -> set[str]
{k: v for k, v in m.items()}                 -> dict[str, int]
{x.sku: x for x in lines}                    -> dict[str, Line]
[x for x, _ in pairs]                        -> list[str]
[(i, x) for i, x in enumerate(names)]        -> list[tuple[int, str]]
[y for x in lines for y in x.sku]            -> list[str]
[x.note for x in lines if x.note is not None] -> list[str]
[x for x in [some, None] if x]               -> list[Line]
[y for y in [u] if isinstance(y, int)]       -> list[int]
[f'{x}' for x in xs]                         -> list[str]
[x for x in order]                           -> list[Line]
[[x for x in xs] for _ in xs]                -> list[list[int]]
sorted([x.price for x in lines])[0]          -> Decimal
[n for n in names]                           -> list[str]
# Conditional expressions, or, and.
1 if b else 2                                -> int
line if b else None                          -> Line | None
1 if b else 2.5                              -> int | float
1 if b else 'a'                              -> !
s or 'none'                                  -> str
some or line                                 -> Line
line.note or ''                              -> str
n and s                                      -> !
some and some.sku                            -> str | None
some.sku if some else ''                     -> str
some.price if some is not None else Decimal(0) -> Decimal
'' if some is None else some.sku             -> str
u if isinstance(u, int) else len(u)          -> int
some is not None and some.count > 2          -> bool
b or n                                       -> int | bool
[] if b else xs                              -> list[int]
# Walrus, lambdas.
(lambda q: q + 0.5)(n)                       -> float
(lambda q: [q])(line)                        -> list[Line]
(y := n + 1)                                 -> int
(y := some) and y.sku                        -> str | None
await count((k := n) + 1)                    -> int
"""


def _expressions() -> list[tuple[str, dict[str, str]]]:
    lines = [line for line in _EXPRESSIONS.splitlines() if line and not line.startswith("#")]
    rows = [line.rpartition(" -> ") for line in lines]
    return [(f"x = {text.strip()}", {"x": kind}) for text, _, kind in rows]


ROWS = [*_expressions(), *BODIES]
"""Statements, and the types of variables in them."""
