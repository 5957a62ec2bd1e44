"""Odd forks, sagas and values in one, as text.

How they are run is told in `test_odd_programs.py`; steps are in `odd_world.py`. No test lives here.
"""

from __future__ import annotations

FORKS = '''
@workflow  # (1,) (3,)
async def awaits_inside_the_arguments_of_a_fork(n: int) -> str:
    x, y = await together(a(await b(x=n)), a(await a(n) + n))
    k = (await together(say(str(x)), a(n := n + 1), b(x=n, y=(y := y + n))))[2]
    return f"{x} {y} {k} {n}"

@workflow  # (0,) (3,)
async def loops_over_what_is_awaited(n: int) -> list[int]:
    out: list[int] = []
    for x in await nums(n):
        for y in range(await a(x)):
            out.append(x * 10 + y)
        more = await nums(x)
        out += [z for z in more if z]
    return out

@workflow  # (1, "none") (1, "big") (1, "small")
async def a_walrus_holds_what_came_first(n: int, mail: str) -> str:
    out = ""
    while isinstance(got := await first(note.wait(), after(seconds(n))), Card):
        out += got.name
        match got:
            case Card(n=m) as c if (k := m + 1) > 3:
                out += f"{k}{c.n}"
            case _:
                out += await say("other")
    return out + type(got).__name__

@workflow  # (1,)
async def functions_in_a_loop_see_its_last_value(n: int) -> str:
    fs = [lambda: i for i in range(3)]
    gs = [lambda i=i: i for i in range(3)]
    return f"{sum(f() for f in fs)} {sum(g() for g in gs)} " + str(await a(n))

@workflow  # (2,)
async def a_helper_changes_what_it_is_given(n: int) -> str:
    bx = await box(n)
    xs = [1]
    push(bx, await a(n))
    push(bx, 7)
    xs.extend(bx.items)
    await a(1)
    bx.items.clear()
    push(bx, 0)
    await a(2)
    return f"{bx} {xs}"

def push(bx: Box, x: int) -> None:
    bx.items.append(x)
    bx.n += x

@workflow  # (1,) (2,) (5,)
async def sagas_in_sagas_are_left_by_jumps(n: int) -> str:
    out = ""
    for i in range(3):
        try:
            async with saga():
                await hold(i)
                async with saga():
                    await hold(i + 10)
                    if i == n:
                        break
                    if i == n - 1:
                        continue
                if n == 5 and i == 2:
                    raise Worse("late")
                out += str(i)
        except Bad as error:
            out += str(error)
    else:
        out += "!"
    return out

@workflow  # (1,) (2,)
async def a_pivot_in_a_loop_of_sagas(n: int) -> str:
    out = ""
    while n < 4:
        n += 1
        try:
            async with saga():
                k = await hold(n)
                out += await charge(k * n)
        except Bad as error:
            out += f"<{error}>"
    return out

@workflow  # ("bad",) ("key",) ("fine",)
async def a_fork_fails_inside_a_handler(how: str) -> str:
    try:
        await fails(how)
    except Bad:
        try:
            x, _ = await together(a(1), fails("key"))
        except KeyError as inner:
            return f"inner {inner.args}"
        return f"{x}"
    except KeyError:
        pair = await together(a(1), a(2))
        return f"pair {pair}"
    return how

@workflow  # (1,)
async def annotations_of_many_kinds(n: int) -> str:
    x: tuple[int, ...] = (n, 2)
    y: list[int | None] = [None, *x]
    z: "dict[str, tuple[int, str]]" = {"a": (1, "b")}
    w: int | str = n
    await a(n)
    y[0] = await a(2)
    w = "now a text"
    z["b"] = (await a(3), w)
    await a(4)
    return f"{x} {y} {z} {w}"

@workflow  # (0,) (1,)
async def narrowing_goes_over_an_await(n: int) -> str:
    x = await maybe(n)
    if x is None:
        x = await a(n)
    y = await either(x)
    if not isinstance(y, int):
        return y + str(await a(x))
    return str(y + await a(y))

@workflow  # (2,)
async def conditions_of_every_kind(n: int) -> str:
    p = "a" if n in (1, 2) else "b"
    q = not (n is None) and n not in [3]
    r = 0 < n <= 2 != 5
    await a(n)
    s = (p, q) < ("b", True)
    return f"{p} {q} {r} {s} {'a' in p} {p == 'a' or q}"

@workflow  # (3,)
async def slices_and_items(n: int) -> str:
    xs = await nums(6)
    xs[1:3] = [await a(7), await a(8), n]
    xs[::2] = [0] * len(xs[::2])
    del xs[-1:], xs[0]
    t = tuple(xs)[: await a(1)]
    await a(2)
    ys = xs[await a(0) : -1]
    return f"{xs} {t} {ys} {'abc'[::-1]}"[:80]

@workflow  # ()
async def no_parameters_and_a_bare_return() -> None:
    if await a(1) > 5:
        return None
    await say("x")
    return

@workflow  # (1,)
async def a_docstring_alone_and_ellipses(n: int) -> int:
    """Nothing but this."""
    ...
    if n:
        """a text"""
    else:
        ...
    return n
'''
