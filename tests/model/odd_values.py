"""Odd values alive across an await: kept, refused when they are written, or kept apart.

How they are run is told in `test_odd_programs.py`; steps are in `odd_world.py`. No test lives here.
"""

from __future__ import annotations

KEPT = r"""
@workflow  # (0,) (1,) (2,) (3,)
async def match_over_a_union(n: int) -> str:
    match await card(n):
        case Card(name=s, n=k):
            return f"{s} {k}"
        case Box(n=k, items=[one, *_]):
            return f"box {k} " + str(await a(one))
        case None:
            return "none"
    return "nothing"

@workflow  # (1,) (2, 5)
async def default_arguments(x: int, y: int = LIMIT) -> int:
    return await a(x) + await b(x=x) + await b(y=y, x=await a())

@workflow  # (0,) (1,)
async def optional_values(n: int) -> str:
    x = await maybe(n)
    y = None if x is None else x + 1
    if y is not None:
        await a(y)
    z = x or 7
    return f"{x} {y} {z}"

@workflow  # (0,) (1,)
async def union_values(n: int) -> str:
    x = await either(n)
    await a(n)
    if isinstance(x, str):
        return x.upper()
    return str(x + 1)

@workflow  # (2,)
async def a_dict_keeps_its_order(n: int) -> str:
    d = {"z": 1, "b": 2}
    d["a"] = await a(n)
    got = await table(n)
    d |= got
    await a(1)
    del d["z"]
    d["z"] = 0
    await a(2)
    return f"{list(d)} {list(got)}"

@workflow  # (3,)
async def a_default_of_a_nested_function(n: int) -> int:
    base = await a(n)
    def plus(q: int, by: int = base) -> int:
        return q + by
    return plus(1) + plus(2)

@workflow  # (1,)
async def enums_survive(n: int) -> str:
    c = Color.BLUE if n else Color.RED
    l = Level(n)
    r: Right = Right.READ | Right.WRITE
    m = Mode("slow")
    await a(l)
    return f"{c!r} {l!r} {l + 1} {r!r} {m!r} {m.upper()} {c is Color.BLUE}"

@workflow  # ()
async def decimals_and_times_survive() -> str:
    d = Decimal("1.10") + Decimal("2.200")
    e = Decimal("1E+3")
    t = NOON + timedelta(microseconds=1)
    v = date(2026, 5, 17)
    w = time(3, 4, 5, 6)
    s = timedelta(days=-1, microseconds=3)
    await a(1)
    return f"{d!r} {e!r} {t!r} {v!r} {w!r} {s!r} {t - NOON} {(v - date(2026, 1, 1)).days}"

@workflow  # ()
async def records_survive() -> str:
    m = Money(Decimal("9.90"), date(2026, 1, 2), NOON, timedelta(hours=3), ("x", "y"), Level.HIGH)
    node = Node(1, Node(2, None))
    f: Full[int] = Full(3)
    p = Point(1)
    s = Spot(1, 2)
    row: Row = {"name": "n", "n": 1}
    await a(1)
    p.y += 1
    node.next = Node(node.n + 5, node.next)
    return f"{m} {node} {f} {p} {s.x + s[1]} {s} {row} {replace(m, tags=())}"

@workflow  # ()
async def numbers_survive() -> str:
    big = 2**70
    neg = -0.0
    tiny = 5e-324
    yes = True
    byt = b"\x00\xff"
    txt = "\u00e4\U0001f600\u2028\\ \" "
    await a(1)
    return f"{big} {neg!r} {tiny!r} {yes!r} {byt!r} {txt!r} {yes + 1}"

@workflow  # ()
async def containers_survive() -> str:
    t = (1, "a", (2.5, None))
    s = {3, 1, 2}
    f = frozenset({"x"})
    d = {2: "b", 1: "a"}
    e = {Color.RED: 1}
    n: dict[str, list[dict[str, int]]] = {"q": [{"r": 1}]}
    await a(1)
    n["q"][0]["s"] = 2
    s.add(9)
    await a(2)
    return f"{t} {sorted(s)} {f} {d} {e} {n} {list(d)}"

@workflow  # ()
async def dicts_with_int_keys_keep_them() -> int:
    d = {10: 1, 9: 2}
    x = await a(0)
    total = 0
    for key, value in d.items():
        total = total * 100 + key + value * await a(x)
    return total

@workflow  # ()
async def a_set_of_tuples_survives() -> str:
    s = {(1, "a"), (0, "b")}
    await a(1)
    return repr(sorted(s))

@workflow  # (1,) (2,)
async def captures_survive_a_failed_case(n: int) -> str:
    x = y = 0
    match [n, 2, 3]:
        case [1, x, y] if y > 5:
            pass
        case [2, *ys]:
            await a(1)
            return f"{x} {y} {ys}"
    await a(2)
    return f"{x} {y}"
"""

STALLED = """
@workflow  # () says 'expected tests.model.odd_world.Card'
async def a_subclass_keeps_its_class() -> str:
    c: Card = Wide("w", 2, 3)
    await a(1)
    return repr(c)

@workflow  # () says 'expected dict[str, int], got collections.defaultdict'
async def a_defaultdict_as_dict() -> str:
    q: dict[str, int] = defaultdict(int)
    await a(1)
    q["z"] += 1
    return repr(q)

@workflow  # () says 'expected Any, got object'
async def a_sentinel_is_kept() -> str:
    q = object()
    await a(1)
    return repr(q)

@workflow  # () says 'inf has no JSON'
async def nothing_is_kept_as_infinity() -> str:
    x = float("inf")
    await a(1)
    return repr(x)

@workflow  # () says 'nan has no JSON'
async def nan_is_kept() -> str:
    x = float("nan")
    await a(1)
    return repr(x)

@workflow  # () says 'it contains itself, or is nested too deeply'
async def a_list_holds_itself() -> str:
    xs: list[object] = [1]
    xs.append(xs)
    await a(1)
    return f"{xs}"

@workflow  # (1,) says 'it contains itself, or is nested too deeply'
async def cyclic_nodes(n: int) -> str:
    x = Node(n)
    x.next = x
    await a(1)
    return f"{x.n}"
"""
"""Not storable though the annotation is: the execution stalls, and says why."""

APART = """
@workflow  # ("bad",) gives 'None 3'
async def a_cause_is_there_in_the_handler(how: str) -> str:
    try:
        try:
            await fails(how)
        except Bad as error:
            raise Coded(3) from error
    except Coded as error:
        return f"{error.__cause__!r} {error.code}"
    return "no"

@workflow  # ("bad",) gives 'None 3 2'
async def a_cause_is_there_behind_an_await(how: str) -> str:
    try:
        try:
            await fails(how)
        except Bad as error:
            raise Coded(3) from error
    except Coded as error:
        x = await a(1)
        return f"{error.__cause__!r} {error.code} {x}"
    return "no"

@workflow  # () gives '2026-03-29T12:00:00+01:00 UTC+01:00'
async def a_zone_survives() -> str:
    t = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    await a(1)
    return (t + timedelta(days=1)).isoformat() + " " + str(t.tzinfo)

@workflow  # () gives '[1] [1, 2]'
async def aliases_of_a_list() -> str:
    xs = [1]
    ys = xs
    await a(1)
    ys.append(2)
    return f"{xs} {ys}"

@workflow  # () gives '[[1, 0], [0, 0]]'
async def rows_of_one_list() -> str:
    grid = [[0] * 2] * 2
    await a(1)
    grid[0][0] = 1
    return f"{grid}"

@workflow  # () gives "[1, 2] {'k': [1]}"
async def a_list_inside_and_beside() -> str:
    xs = [1]
    d = {"k": xs}
    await a(1)
    xs.append(2)
    return f"{xs} {d}"

@workflow  # () gives '[[1], [2]]'
async def a_loop_variable_is_part_of_the_list() -> str:
    xs = [[1], [2]]
    for x in xs:
        x.append(await a(0))
    return f"{xs}"

@workflow  # (1,) gives "('x',) False"
async def raises_from_none(n: int) -> str:
    try:
        await a(n)
        raise Bad("x") from None
    except Bad as error:
        return f"{error.args} {error.__suppress_context__}"
"""
"""Where a frame differs from plain Python by design (C25): the same in one go and resumed."""
