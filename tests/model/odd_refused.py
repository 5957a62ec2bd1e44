"""Odd programs that are refused; marked as in `refused_syntax.py`, warnings left aside.

No test lives here.
"""

from __future__ import annotations

REFUSED = """
@workflow
async def the_name_of_an_exception_shadows(how: str) -> int:
    error = 5
    try:
        await fails(how)
    except Bad as error:
        pass
    return error
#          ^^^^^ PD207 may be unset

@workflow
async def a_lambda_lives_too_long(n: int) -> int:
    key = lambda q: q + n
    m = await a(n)
    return key(m)
#          ^^^ PD201 is alive across an await

@workflow
async def reads_what_is_deleted(n: int) -> int:
    x = await a(n)
    del x
    return x
#          ^ PD207 may be unset

@workflow
async def a_deque_survives() -> str:
    q: deque[int] = deque([1, 2])
    await a(1)
    q.appendleft(0)
#   ^ PD201 is alive across an await
    return repr(q)

@workflow
async def a_counter_survives() -> str:
    q: Counter[str] = Counter("aab")
    await a(1)
    q["z"] += 1
#   ^ PD201 is alive across an await
    return repr(q)

@workflow
async def a_defaultdict_survives() -> str:
    q: defaultdict[str, int] = defaultdict(int)
    await a(1)
    q["z"] += 1
#   ^ PD201 is alive across an await
    return repr(q)

@workflow
async def an_inferred_defaultdict_survives() -> str:
    q = defaultdict(int)
    await a(1)
    q["z"] += 1
#   ^ PD201 is alive across an await
    return repr(q)

@workflow
async def an_ordered_dict() -> str:
    q: OrderedDict[str, int] = OrderedDict(b=1, a=2)
    await a(1)
    q.move_to_end("b")
#   ^ PD201 is alive across an await
    return repr(q)

@workflow
async def a_bytearray() -> str:
    q = bytearray(b"ab")
    await a(1)
    q.append(1)
#   ^ PD201 is alive across an await
    return repr(q)

@workflow
async def a_fraction() -> str:
    q = Fraction(1, 3)
    await a(1)
    return repr(q + 1)
#               ^ PD201 is alive across an await

@workflow
async def a_complex() -> str:
    q = 1 + 2j
    await a(1)
    return repr(q + 1)
#               ^ PD203 cannot tell the type

@workflow
async def a_range_is_kept() -> str:
    q = range(1, 9, 2)
    await a(1)
    return repr(q)
#               ^ PD201 is alive across an await

@workflow
async def a_module_is_kept() -> str:
    q = math
    await a(1)
    return repr(q.pi)
#               ^ PD203 cannot tell the type

@workflow
async def a_class_is_kept() -> str:
    q = Card
    await a(1)
    return repr(q("x"))
#               ^ PD203 cannot tell the type

@workflow
async def a_step_is_kept() -> int:
    q = a
    return await q(1)
#                ^^^^ PD114 is, is decided at run time

@workflow
async def a_generator_is_kept() -> str:
    q = (x for x in range(3))
    await a(1)
    return repr(list(q))
#                    ^ PD201 is alive across an await

@workflow
async def an_iterator_is_kept() -> str:
    q = iter([1, 2])
    await a(next(q))
#                ^ PD201 is alive across an await
    return repr(list(q))

@workflow
async def zipped_is_kept() -> str:
    q = zip([1], [2])
    await a(1)
    return repr(list(q))
#                    ^ PD201 is alive across an await

@workflow
async def a_map_is_kept() -> str:
    q = map(str, [1])
    await a(1)
    return repr(list(q))
#                    ^ PD201 is alive across an await

@workflow
async def a_view_is_kept() -> str:
    d = {"a": 1}
    q = d.items()
    await a(1)
    return repr(list(q))
#                    ^ PD201 is alive across an await

@workflow
async def a_partial_is_kept() -> int:
    q = functools.partial(operator.add, 1)
    await a(1)
    return q(2)
#          ^ PD201 is alive across an await

@workflow
async def a_bound_method_is_kept() -> list[int]:
    xs = [1]
    push = xs.append
    await a(1)
    push(2)
#   ^^^^ PD203 cannot tell the type
    return xs

@workflow
async def keys_of_a_kind_json_has_not() -> str:
    k = {(1, 2): 3}
    await a(1)
    return f"{k}"
#             ^ PD201 is alive across an await
"""
