"""Odd loops, matches and forks, as text.

How they are run is told in `test_odd_programs.py`; steps are in `odd_world.py`. No test lives here.
"""

from __future__ import annotations

LOOPS = """
@workflow  # (3,) (0,)
async def loop_variable_after_the_loop(n: int) -> int:
    i = -1
    for i in range(n):
        await a(i)
    return i

@workflow  # (3,) (1,)
async def loop_variable_assigned_inside(n: int) -> list[int]:
    out: list[int] = []
    i = 0
    for i in range(n):
        i = i * 10
        out.append(await a(i))
        i += 1
    out.append(i if n else 0)
    return out

@workflow  # (1,) (5,)
async def walrus_everywhere(x: int) -> list[int]:
    z = w = 0
    if (y := await a(x)) > 3 and (z := y * 2) > 5:
        return [y, z, (w := z + 1), w + z]
    while (y := await a(y)) < 5:
        x += y
    return [x, y, (x := await a(x)) + x, x]

@workflow  # (3,)
async def awaits_into_targets(n: int) -> str:
    xs = [0, 0]
    d: dict[str, int] = {}
    bx = await box(n)
    xs[seen("index") - 1] = await a(1)
    d["k"] = d["m"] = await a(2)
    bx.n = await a(3)
    xs[1], d["z"] = await together(a(4), a(5))
    (bx.items[0], *rest), last = await nums(3), await a(6)
    return f"{xs} {d} {bx} {rest} {last}"

@workflow  # (3,)
async def star_unpacking(n: int) -> str:
    first_, *rest = await nums(n + 2)
    *init, last = [first_, *rest, await a(9)]
    p, (q, *_), r = 1, (2, 3, 4), "x"
    await a(p + q)
    most = max(*rest, await a(1), *init)
    return f"{first_} {rest} {init} {last} {p} {q} {r} {most}"

@workflow  # (1, "none") (1, "big") (1, "small") (1, "short") (1, "another") (1, "long")
async def first_with_every_pattern(n: int, mail: str) -> str:
    limit = 5
    match await first(note.wait(), word.wait(), after(seconds(3))):
        case Card(name="x" | "y" as name, n=m) if m > limit:
            out = f"big {name} {m}"
        case Card(_, n=(1 | 2 | 3) as m) as whole:
            out = f"small {m} {whole}"
        case Card() as other:
            limit = other.n
            out = "other"
        case str(text) if len(text) > 3:
            out = text
        case Elapsed():
            out = "late"
        case rest:
            out = f"rest {rest!r}"
    await a(limit)
    return out

@workflow  # (0,)
async def for_over_different_types(n: int) -> str:
    out = ""
    for x in (1, "two", None, 3.5, Card("c")):
        await a(n)
        out += f"{x!r} "
    return out

@workflow  # (2,)
async def loops_over_views(n: int) -> str:
    d = await table(n)
    out = ""
    for k in d:
        out += k + str(await a(1))
    for k, v in d.items():
        out += k + str(await a(v))
    for v in d.values():
        out += str(await a(v))
    for i, (k, v) in enumerate(sorted(d.items()), 5):
        out += f"{i}{k}" + str(await a(v))
    for p, q in zip(d, range(9), strict=False):
        out += p + str(await a(q))
    for c in "xyz"[1:]:
        out += c + str(await a(1))
    return out

@workflow  # (3,)
async def a_copy_is_looped_over_while_it_changes(n: int) -> list[int]:
    xs = await nums(n)
    for x in list(xs):
        xs.append(await a(x))
        if x == 1:
            xs.remove(0)
    return xs

@workflow  # (1,) (2,) (3,)
async def jumps_out_of_a_match_in_a_loop(n: int) -> str:
    out = ""
    for i in range(5):
        match i * n:
            case 2:
                continue
            case 6 | 8:
                break
            case 0:
                pass
            case x if x > 3:
                out += f"<{x}>"
        out += str(await a(i))
    else:
        out += "!"
    return out

@workflow  # (0,) (1,) (5,)
async def while_with_else_and_awaits(n: int) -> str:
    out = ""
    while await a(n) < 5:
        n += 2
        if n == 3:
            continue
        out += f"{n}"
    else:
        out += "else"
        if n == 5:
            return out
    while n:
        n -= 1
        if await a(n) == 3:
            break
    else:
        out += "none"
    return f"{out}{n}"

@workflow  # (0,)
async def nothing_but_a_loop_that_ends(n: int) -> int:
    while True:
        n += 1
        if n > 100:
            return n

@workflow  # (3,)
async def nested_loops_jump(n: int) -> str:
    out = ""
    for i in range(n):
        for j in range(n):
            if j == 2:
                break
            if i == j:
                continue
            k = 0
            while k < 2:
                k += 1
                if k == i:
                    continue
                out += f"{i}{j}" + str(await a(k)) + " "
        else:
            out += "never"
    return out

@workflow  # (3,)
async def code_behind_an_endless_loop(n: int) -> int:
    while True:
        n = await a(n)
        if n > 5:
            break
        continue
        n = 0
    return n

@workflow  # (1,)
async def tuple_results(n: int) -> tuple[int, str]:
    pair = await together(a(n), say("x"))
    x, y = pair
    return pair[0] + x, y + pair[1]

@workflow  # (1,)
async def together_of_one_variable(n: int) -> str:
    n, n2 = await together(a(n), a(n + 1))
    (n, n2), m = (await together(a(n2), a(n))), n
    return f"{n} {n2} {m}"

@workflow  # (1,)
async def sleeps_and_clocks(n: int) -> str:
    t = now()
    await sleep(seconds(n))
    await sleep_until(t + seconds(5))
    u = now()
    match await first(at(u + seconds(1)), word.wait()):
        case Elapsed():
            return f"{(now() - t).seconds} {t == now()}"
        case _:
            return "?"

@workflow  # (1,)
async def an_await_in_a_match_subject_tuple(n: int) -> str:
    match (await a(n), await maybe(n)):
        case (2, None):
            return "two none"
        case (x, int(y)):
            return f"{x} {y}"
    return "other"

@workflow  # (1,)
async def match_on_a_class_attribute(n: int) -> str:
    c = Color(await a(n) - 1)
    match c:
        case Color.BLUE:
            return "blue"
        case Color.RED:
            return "red " + str(await a(1))

@workflow  # (1,)
async def mapping_rest(n: int) -> str:
    match await table(n):
        case {"ant": x, **rest}:
            await a(x)
            return f"{x} {rest}"
    return ""
"""
