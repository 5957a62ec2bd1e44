"""Odd ways through handlers, with-blocks and sagas, as text.

How they are run is told in `test_odd_programs.py`; steps are in `odd_world.py`. No test lives here.
"""

from __future__ import annotations

JUMPS = """
@workflow  # (4,) (2,) (0,)
async def breaks_inside_try(n: int) -> str:
    out = ""
    for i in range(n):
        try:
            if i == 1:
                continue
            out += str(await fails("bad" if i == 2 else "ok"))
            if i == 3:
                break
        except Bad as error:
            out += f"<{error.args}>"
            if n == 4:
                continue
            break
        else:
            out += "+"
    else:
        out += "!"
    return out

@workflow  # ("bad",) ("worse",) ("key",) ("coded",) ("value",) ("fine",)
async def raises_again_and_from(how: str) -> str:
    try:
        try:
            return str(await fails(how))
        except Worse:
            raise
        except Bad as error:
            raise Coded(3) from error
        except KeyError as error:
            raise ValueError(await say("x"), error.args[0])
    except Coded as error:
        return f"coded {error.code} {error.args}"
    except (Worse, ValueError) as error:
        return f"{type(error).__name__} {error.args}"

@workflow  # ("bad",) ("ok",)
async def a_note_stays_on_an_exception(how: str) -> str:
    try:
        try:
            await fails(how)
        except Bad as error:
            error.add_note("one")
            raise
    except Bad as error:
        await a(1)
        return repr(getattr(error, "__notes__", []))
    return "no"

@workflow  # ("bad",) ("ok",)
async def an_exception_is_kept_by_another_name(how: str) -> str:
    kept: Exception | None = None
    try:
        await fails(how)
    except Bad as error:
        kept = error
    await a(1)
    return repr(kept)

@workflow  # ("bad",)
async def an_exception_is_raised_later(how: str) -> str:
    kept: Exception | None = None
    try:
        await fails(how)
    except Bad as error:
        kept = error
    await a(1)
    if kept is not None:
        raise kept
    return "fine"

@workflow  # ("bad",) ("key",) ("ok",)
async def handles_a_global_tuple(how: str) -> str:
    try:
        await fails(how)
    except BADS as error:
        return type(error).__name__
    return "fine"

@workflow  # ("bad",) ("key",) ("ok",)
async def handles_an_attribute(how: str) -> str:
    try:
        await fails(how)
    except world.Bad:
        return "bad"
    except (world.Coded, LookupError):
        return "other"
    return "fine"

@workflow  # ("bad",) ("7",)
async def a_helper_raises(how: str) -> str:
    try:
        x = breaks(how)
        await a(x)
    except Bad as error:
        return f"bad {error}"
    return str(x)

@workflow  # (1,) (2,) (3,) (6,)
async def early_return_in_for_in_saga(n: int) -> str:
    async with saga():
        for i in range(1, 5):
            got = await hold(i)
            if i == n:
                return f"left with {got}"
            if i * n == 12:
                raise Bad("twelve")
    return "all"

@workflow  # (1,) (-1,) (3,)
async def a_saga_in_a_loop_goes_on(n: int) -> str:
    out = ""
    for i in (n, n - 2, n + 1):
        try:
            async with saga():
                x = await hold(i)
                if i % 2 == 0:
                    continue
                if i > 3:
                    break
                out += str(x) + str(await hold(i - 1)) + ";"
        except Bad as error:
            out += f"{error.args}"
    return out

@workflow  # (2,) (5,)
async def together_in_while_in_try(n: int) -> str:
    k = total = 0
    try:
        while k < n:
            k += 1
            x, y = await together(a(k), b(x=k, y=total))
            total += x * y
            if k == 3:
                await together(fails("worse"), a(1))
    except Worse as error:
        return f"{error.args} {k} {total}"
    return f"{k} {total}"

@workflow  # (0,) (1,) (2,)
async def asserts_and_passes(n: int) -> str:
    try:
        assert n, f"no {n}"
        assert await_free(n) if n == 1 else seen(n)
        pass
        ...
        "text"
        await a(n)
    except AssertionError as error:
        return f"{error.args}"
    return "fine"

def await_free(n: int) -> bool:
    return False

@workflow  # (1,) (2,) (3,)
async def swallows_a_raise_in_a_with(n: int) -> str:
    x = await a(n)
    with contextlib.suppress(Bad):
        x = 10
        if n == 1:
            raise Worse("x")
        if n == 2:
            raise KeyError("y")
        x = 11
    y = await a(x)
    return f"{x} {y}"

@workflow  # (1,) (3,)
async def finally_in_glue(n: int) -> str:
    out = ""
    for i in range(n):
        try:
            if i == 1:
                continue
            if i == 2:
                break
            out += "b"
        finally:
            out += "f"
        out += str(await a(i))
    return out

@workflow  # (1,) (3,)
async def a_finally_that_returns(n: int) -> int:
    x = await a(n)
    try:
        if x > 2:
            raise Bad("lost")
        return 1
    finally:
        if x > 2:
            return 2

@workflow  # (1,) (3,)
async def a_try_in_glue_with_everything(n: int) -> str:
    x = await a(n)
    out: str = ""
    for i in range(x):
        try:
            out += str(6 // (i - 1))
            if i == 3:
                raise Worse("w")
        except ZeroDivisionError as error:
            out += type(error).__name__
            continue
        except Bad:
            out += "bad"
            raise
        else:
            out += "e"
        finally:
            out += "f"
    await a(1)
    return out

@workflow  # (3,)
async def unreachable_code(n: int) -> int:
    if n:
        return await a(n)
        await a(n)
    else:
        raise Bad("x")
    return 9

@workflow  # ("bad",) ("x",)
async def a_raise_in_try_else_and_nested_handlers(how: str) -> str:
    out = ""
    try:
        try:
            out += str(await fails(how))
        except KeyError:
            out += "k"
        else:
            out += "else"
            raise Coded(1)
    except Bad:
        out += "bad"
        try:
            raise KeyError("inner")
        except LookupError as error:
            out += await say(str(error))
    except Coded:
        out += "coded"
    return out

@workflow  # ("bad",) ("worse",)
async def re_raises_the_outer_inside_the_inner(how: str) -> str:
    try:
        try:
            await fails(how)
        except Bad:
            try:
                await fails("key")
            except KeyError:
                await a(1)
            raise
    except Worse as error:
        return f"worse {error.args}"
    return "no"

@workflow  # (1,)
async def raises_what_is_no_exception(n: int) -> str:
    try:
        await a(n)
        raise int
    except TypeError as error:
        return str(error)

@workflow  # (1,)
async def raises_nothing_in_flight(n: int) -> str:
    try:
        await a(n)
        raise
    except RuntimeError as error:
        return str(error)

@workflow  # (3,)
async def a_method_that_is_missing(n: int) -> str:
    xs: list[int] | None = None
    try:
        xs.append(await a(n))
    except AttributeError:
        return "none"
    return f"{xs}"

@workflow  # (3,)
async def a_key_that_is_missing(n: int) -> str:
    d: dict[str, list[int]] = {}
    try:
        d["k"].append(await a(n))
    except KeyError:
        return "none"
    return f"{d}"
"""
