"""Odd expressions and statements without a jump: names, targets, order of evaluation, closures.

How they are run is told in `test_odd_programs.py`; steps are in `odd_world.py`. No test lives here.
"""

from __future__ import annotations

EXPRESSIONS = '''
@workflow  # (1,) (0,)
async def shadows_a_global(x: int) -> int:
    LIMIT = 5 if x else 7
    LIMIT += await a(LIMIT)
    return LIMIT

@workflow  # (1,)
async def shadows_builtins(x: int) -> str:
    len = await a(x)
    tuple = [len, x]
    total = 0
    list = 0
    for list in tuple:
        total += await a(list)
    return f"{len} {total} {list}"

@workflow  # (2,)
async def augmented_by_a_walrus_of_itself(x: int) -> int:
    x += (x := await a(x)) * 10
    return x

@workflow  # (2,)
async def augmented_text(x: int) -> str:
    s = "a"
    s += await say(s) + (s := "b") + s
    return s

@workflow  # (3,)
async def comprehension_leaks_a_walrus(n: int) -> int:
    last = 0
    xs = [last := q * 2 for q in range(n)]
    await a(n)
    return last + len(xs)

@workflow  # (3,)
async def comprehensions_of_all_kinds(n: int) -> str:
    n = await a(n)
    q = 100
    xs = [q for q in range(n) if q % 2]
    ys = {q: str(p) for p, q in enumerate(xs)}
    zs = sorted({q % 2 for q in range(n)})
    total = sum(p * q for p in xs for q in zs)
    q += await a(total)
    nested = [[p + q for p in range(r)] for r in range(2)]
    return f"{xs} {ys} {zs} {total} {q} {nested}"

@workflow  # (3,)
async def augmented_targets(n: int) -> str:
    xs = [1, 2, 3]
    d = {"k": 1}
    box1 = await box(n)
    xs[0] += n
    d["k"] *= 7
    box1.n -= 1
    box1.items[0] //= 2
    await a(1)
    xs[-1] **= 2
    xs[1:] += [9]
    n <<= 2
    n |= 1
    n ^= 3
    n %= 7
    return f"{xs} {d} {box1} {n}"

@workflow  # (3,)
async def appends_what_is_awaited(n: int) -> str:
    d = {"k": [1]}
    bx = await box(n)
    xs = [[1], [2]]
    d["k"].append(await a(1))
    bx.items.append(await a(2))
    xs[0].append(await a(3))
    xs[-1].extend(await nums(2))
    return f"{d} {bx} {xs}"

@workflow  # (3,)
async def sets_what_is_awaited_deep_inside(n: int) -> str:
    d = {"k": [1, 2]}
    bx = await box(n)
    d["k"][0] = await a(1)
    bx.items[0] = await a(2)
    d["k"][1], bx.items[0] = await a(3), bx.items[0] + await a(4)
    return f"{d} {bx}"

@workflow  # (3,)
async def a_method_of_a_temporary(n: int) -> str:
    xs = [3, 1, 2]
    n = sorted(xs).index(await a(0)) + [1, 2].count(await a(1))
    s = "-".join([await say("a"), await say("b")]).replace(await say("a"), str(n))
    return s + str(xs.pop(await a(-1)))  + str(xs)

@workflow  # (3,)
async def star_in_displays(n: int) -> str:
    xs = await nums(n)
    d = {**await table(1), "ant": await a(0), **{"new": 1}}
    ys = [*xs, await a(1), *xs]
    zs = (*xs, *await nums(2))
    us = sorted({*xs, await a(5)})
    return f"{ys} {zs} {us} {d}"

@workflow  # (0,) (1,)
async def conditional_with_awaits_everywhere(x: int) -> list[int]:
    y = await a(x) if x else x
    z = x if x else await a(x)
    w = 1 if await a(x) > 1 else 2
    v = (await a(1) if x else await a(2)) if await a(3) else await a(4)
    u = [await a(x) if x else -1, (await a(5) if not x else 6) + await a(7)]
    t = await a(await a(x) if x else 8)
    s = (await nums(3) if x else await nums(2))[0 if x else (await a(0))]
    return [y, z, w, v, *u, t, s]

@workflow  # (1,) (5,) (9,)
async def chained_comparison(x: int) -> str:
    p = await a(x) < x + 2 < 10 if x else False
    q = 0 <= await a(x) < seen(x) + 5 != x
    r = not (await a(x) == x + 1 == 2)
    return f"{p} {q} {r}"

@workflow  # (0,) (1,) (2,)
async def short_circuits(x: int) -> str:
    p = x and await a(x) and seen("p")
    q = x or await a(x) or seen("q")
    r = (x > 1 and await a(1) > 0) or (await a(2) > 5 or hidden("r")) or await a(3) == 4
    s = not (x and not await a(4))
    t = None or await maybe(x) or "none"
    return f"{p} {q} {r} {s} {t}"

@workflow  # (1, 2)
async def positional_and_keyword_only(x: int, /, y: int, *, z: int = 4) -> int:
    return await a(x + y + z)

@workflow  # (5,) (0,)
async def ranges_with_steps(n: int) -> list[int]:
    out: list[int] = []
    for i in range(n, -1, -2):
        out.append(await a(i))
    for i in range(-n, n, 3):
        out.append(await a(i))
    for i in reversed(range(2)):
        out.append(await a(i))
    return out

@workflow  # (3,)
async def two_names_of_one_list_in_one_stretch(n: int) -> str:
    xs = await nums(n)
    ys = xs
    ys.append(9)
    zs = list(ys)
    zs.append(8)
    out = f"{xs} {zs}"
    await a(1)
    return out

@workflow  # (3,)
async def a_step_gets_a_copy(n: int) -> str:
    xs = await nums(n)
    ys = list(await keep(xs))
    ys.append(7)
    await a(1)
    return f"{xs} {ys}"

@workflow  # (3,)
async def globals_are_read_late(n: int) -> str:
    x = await a(LIMIT)
    y = world.LIMIT + await a(PAIR[1])
    return f"{x} {y} {math.floor(2.5)} {Color.RED}"

@workflow  # (3,)
async def nested_functions(n: int) -> int:
    base = await a(n)
    def twice(q: int, by: int = base) -> int:
        inner = [base for base in range(3)]
        return q * 2 + by + base + len(inner)
    def fact(k: int) -> int:
        return 1 if k < 2 else k * fact(k - 1)
    total: int = twice(1) + fact(4) + (lambda q, w=base: q + w)(2)
    return total + await a(1)

@workflow  # (3,)
async def a_nested_function_hides_its_own(n: int) -> int:
    base = await a(n)
    def plus() -> int:
        xs = [base for base in (1, 2)]
        return base + len(xs)
    return plus()

@workflow  # (4,)
async def recursion_inside(n: int) -> int:
    m = await a(n)
    def fib(k: int) -> int:
        return k if k < 2 else fib(k - 1) + fib(k - 2)
    return fib(m)

@workflow  # (4,)
async def a_lambda_in_the_same_stretch(n: int) -> list[int]:
    xs = await nums(n)
    key: Callable[[int], int] = lambda q: -q * n
    xs.sort(key=key)
    return [*map(lambda q: q + n, xs), *sorted(xs, key=lambda q: (q % 2, -q))]

@workflow  # (4, "q")
async def f_strings(n: int, s: str) -> str:
    w = await a(n)
    m = Decimal("1.50")
    await a(1)
    return f"{s!r:>{w}}|{n:0{w}d}|{m}|{n=}|{{}}|{'a' 'b'}|{m:.{n}f}" f"{s}" + "%s-%d" % (s, w)

@workflow  # (1,)
async def deletes(n: int) -> str:
    x = y = await a(n)
    d = await table(1)
    xs = [1, 2, 3, 4]
    del x, d["ant"], xs[1:3]
    await a(y)
    x = 5
    return f"{x} {d} {xs}"

@workflow  # (1,)
async def only_annotated(n: int) -> str:
    """With a docstring."""
    x: int
    y: str = "a"
    z: list[int] = []
    if n:
        x = await a(n)
    else:
        x = 0
    z.append(x)
    await a(1)
    return f"{x}{y}{z}"

@workflow  # (1,)
async def returns_in_a_with(n: int) -> str:
    x = await a(n)
    with contextlib.suppress(KeyError):
        if x == 2:
            return "left " + str(await_not())
        x = {"b": 1}["a"]
    y = await a(x)
    return f"{x} {y}"

def await_not() -> int:
    return 1

@workflow  # (0,) (1,)
async def falls_off_the_end(n: int) -> int | None:
    if n:
        return await a(n)

@workflow  # (1,)
async def returns_nothing(n: int) -> None:
    await a(n)
    return

@workflow  # (1,)
async def swaps(n: int) -> str:
    x, y = await a(n), n
    x, y = y, x
    x, y = y + await a(x), x
    return f"{x} {y}"

@workflow  # (2,)
async def order_of_assignment_targets(n: int) -> str:
    i = 0
    xs = [0, 0, 0]
    i, xs[i] = 1, await a(n)
    i = xs[i] = 2
    xs[i], i = await a(i), 0
    return f"{i} {xs}"

@workflow  # (1,)
async def names_that_python_allows(n: int) -> str:
    größe = await a(n)
    _ = await a(größe)
    __x = _ + 1
    self = await a(__x)
    print_ = f"{größe}{_}{__x}{self}"
    await a(1)
    return print_

@workflow  # (3,)
async def appends_at_an_awaited_index(n: int) -> str:
    xs = [[1], [2]]
    xs[await a(-1)].append(await a(n))
    return f"{xs}"

@workflow  # (3,)
async def texts_and_new_lists(n: int) -> str:
    s = ", ".join([str(q) for q in range(n)]).replace(await say("1"), str(await a(1)))
    k = [3, 4, 5].index(await a(2)) + sorted([2, 1]).index(await a(0))
    k += s.upper().count(await say("x"))
    bx = await box(2)
    u = str(bx.items).count(await say("2")) + bx.items.index(await a(1))
    return f"{s} {k} {u}"
'''
