"""The other half of the table of types: statements, and the types of variables in them.

A comment `# x: T` behind a program says what `x` must be. No test lives here.
"""

from __future__ import annotations

_BODIES = """
## Annotations win over values.

x: float = 1
# x: float

x: list[int] = []
# x: list[int]

x: int | str = 1
x = 'a'
# x: int | str

x: 'Line | None' = None
# x: Line | None

x: Literal['a', 'b'] = 'a'
# x: Literal['a', 'b']

x: dict[str, list[int]] = {}
y = x['a']
# y: list[int]

x: Line | None = None
if b:
    x = line
y = x
# x: Line | None
# y: Line | None

## Joins of branches.

if b:
    x = 1
else:
    x = 2
# x: int

x = None
if b:
    x = line
# x: Line | None

x = 0
for y in fs:
    x = x + y
# x: int | float

x = 0
for y in fs:
    x += y
# x: int | float

x = 1
x = 'a'
# x: !

if b:
    x = line
else:
    x = order
# x: !

if b:
    x = Rush('a', 1, d)
else:
    x = line
# x: Rush | Line

x = b
x = 3
# x: bool | int

x = []
if b:
    x = [1]
# x: list[int]

x = await judge(line)
if isinstance(x, Paid):
    y = 1
z = x
# z: Paid | Refused

x = await judge(line)
x = Paid(d)
# x: Paid | Refused

## Unpacking.

x, y = triple[:2]
# x: int
# y: str

x, *y = triple
# x: int

*x, y = xs
# x: list[int]
# y: int

(x, y), z = (1, 'a'), 2.5
# x: int
# y: str
# z: float

x, y = point
# x: int
# y: float

x = y = n
# x: int
# y: int

_, x = await together(count(n), find(s))
# x: Line | None

x, y = n, s
x, y = y, x
# x: !
# y: !

## Loops.

for x in xs:
    y = x
# x: int
# y: int

for x in range(3):
    pass
# x: int

for x, y in m.items():
    pass
# x: str
# y: int

for x in m:
    pass
# x: str

for x, (y, z) in enumerate(pairs):
    pass
# x: int
# y: str
# z: int

for x, y in zip(names, fs):
    pass
# x: str
# y: float

for x in (1, 2.5):
    pass
# x: int | float

for x in order:
    pass
# x: Line

for x in s:
    pass
# x: str

for x in nobody(line):
    pass
# x: ?

x = None
while x is None:
    x = await find(s)
y = x
# x: Line | None
# y: Line

x = n
while True:
    if b:
        y = x
        break
    x = x + 1
# x: int
# y: int

x = [n]
while b:
    x = [x]
# x: ?

## Narrowing: in a branch, and after an early way out.

if some is None:
    return
x = some
# x: Line

if some is not None:
    x = some
# x: Line

if not some:
    raise ValueError
x = some
# x: Line

assert some is not None
x = some
# x: Line

if some is None or b:
    return
x = some
# x: Line

if some is not None and b:
    x = some
# x: Line

if isinstance(outcome, Refused):
    return
x = outcome
# x: Paid

if isinstance(u, (int, float)):
    x = u
else:
    y = u
# x: int
# y: str

if not isinstance(u, str):
    x = u
# x: int

if isinstance(outcome, Paid | Refused):
    x = outcome
# x: Paid | Refused

for y in [some]:
    if y is None:
        continue
    x = y
# x: Line

if line.note is not None:
    x = line.note
# x: str

if order.first is not None:
    x = order.first.sku
# x: str

if order.first is not None:
    order.lines.pop()
    x = order.first
# x: Line | None

if order.first is not None:
    order.first = None
    x = order.first
# x: Line | None

for x in triple:
    pass
# x: int | str | float

if (x := await find(s)) is not None:
    y = x
# x: Line | None
# y: Line

x = some
if x is None:
    x = line
y = x
# x: Line | None
# y: Line

try:
    x = await find(s)
except Declined:
    return
if x is None:
    return
y = x
# y: Line

## Match.

match outcome:
    case Paid(amount):
        x = amount
    case Refused(reason=y):
        pass
# x: Decimal
# y: str

match outcome:
    case Paid() as x:
        pass
    case y:
        pass
# x: Paid
# y: Refused

match outcome:
    case Paid():
        x = outcome
    case _:
        y = outcome
# x: Paid
# y: Refused

match u:
    case int(x):
        pass
    case str(y):
        pass
# x: int
# y: str

match triple:
    case (x, y, z):
        pass
# x: int
# y: str
# z: float

match xs:
    case [x, *y]:
        pass
# x: int
# y: list[int]

match m:
    case {'a': x, **y}:
        pass
# x: int
# y: dict[str, int]

match some:
    case None:
        pass
    case x:
        pass
# x: Line

match outcome:
    case Paid() | Refused() as x:
        pass
# x: Paid | Refused

match n:
    case 1 | 2 as x:
        pass
    case x:
        pass
# x: int

match line:
    case Line(sku, count, price=Decimal() as x):
        y = count
# x: Decimal
# y: int

match point:
    case Point(x, y):
        pass
# x: int
# y: float

match await first(count(n), after(span)):
    case int(x):
        pass
    case Elapsed():
        pass
# x: int

## Handlers.

try:
    await count(n)
except Declined as e:
    x = e.code
# x: int

x = None
try:
    x = await count(n)
except (Declined, ValueError) as e:
    y = str(e)
# x: int | None
# y: str

try:
    x = await count(n)
except Declined:
    x = None
# x: int | None

x = n
try:
    x = 2.5
    await count(n)
finally:
    y = x
# y: int | float

## Augmented assignment, deletion, nested functions.

x = n
x += 1
x -= 2.5
# x: int | float

x = s
x += 'a'
# x: str

x = [n]
x += [1]
del x[0]
# x: list[int]

x = d
x *= 2
# x: Decimal

def half(a: int) -> float:
    return a / 2
x = half(n)
# x: float

async with saga():
    x = await count(n)
# x: int

x = sorted(lines, key=lambda a: a.price)
# x: list[Line]

x = {k: [v] for k, v in pairs}
y = x['a']
# x: dict[str, list[int]]
# y: list[int]

x: Any = n
y = x
# x: Any
# y: Any
"""


def _bodies() -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    for block in _BODIES.strip().split("\n\n"):
        lines = block.splitlines()
        told = [line[2:].partition(": ") for line in lines if line.startswith("# ")]
        body = "\n".join(line for line in lines if not line.startswith("#"))
        if told:
            found.append((body, {name: kind for name, _, kind in told}))
    return found


BODIES = _bodies()
