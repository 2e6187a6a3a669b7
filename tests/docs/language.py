"""The page of all names and functions, `docs/language.md`, written from the tables that the engine itself goes by.

`python -m tests.docs.language` writes it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.cli.pages.markdown import code, plain, table
from engine.compiled.names import ANY, Names
from engine.compiled.query import compile_query
from engine.compiled.scope import Scope
from engine.compiled.template import compile_template
from engine.library import ABSENT, LIBRARY, Function, Table, exact
from engine.spec.places import Places

PAGE = Path(__file__).resolve().parents[2] / "docs" / "language.md"
_NAMES = Names(
    dict.fromkeys(("input", "call"), ANY), {"size": Table({"s": "small", "l": "large"}), "marks": Table({"%2F": "/"})}
)
_SCOPE = Scope({"input": {"name": "An", "weight": 500}, "call": {"now": "2026-05-01T03:04:05Z"}})

EXAMPLES = {
    "find": """find(`[{"id": 1, "city": "Hue"}, {"id": 2, "city": "Vinh"}]`, 'id', `2`)""",
    "entries": """entries(`{"a": 1}`)""",
    "list": "list(`7`)",
    "lookup": "{{ 's' | lookup('size') }}",
    "intersect": "intersect(`[3, 1, 2]`, `[1, 3]`)",
    "messages": """messages(`[{"message": "too heavy"}, {"message": "no such ward"}]`)""",
    "add": "{{ '0.1' | decimal | add(2) }}",
    "sub": "{{ 10 | sub(3) }}",
    "mul": "{{ 12 | mul(100) }}",
    "div": "{{ 735050 | div(100) }}",
    "decimal": "{{ '735000.50' | decimal }}",
    "fixed": "{{ '2.005' | fixed(2) }}",
    "integer": "{{ '00042' | integer }}",
    "nonzero": "nonzero('0.00')",
    "time": "{{ call.now | time('%d/%m/%Y %H:%M', 'Asia/Ho_Chi_Minh') }}",
    "from_time": "from_time('01/05/2026', '%d/%m/%Y', 'Asia/Ho_Chi_Minh')",
    "plus": "{{ call.now | plus(2, 'hours') }}",
    "seconds_until": "seconds_until('2026-05-01T03:05:05Z')",
    "seconds_between": "seconds_between('2026-05-01', '2026-05-02')",
    "digest": "{{ 'abc' | digest('md5') | hex }}",
    "hex": "{{ 'abc' | hex }}",
    "base64": "{{ 'user:word' | base64 }}",
    "html": "{{ 'R&D' | html }}",
    "percent": "{{ 'a b/c' | percent }}",
    "json": """json(`{"a": [1, 2]}`)""",
    "parse_json": """parse_json('{"a": 1.50}')""",
    "jwt_expiry": "jwt_expiry('eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3Nzc2MDQ2NDV9.c2lnbmF0dXJl')",
    "pairs": """pairs(`{"b": "2", "a": "1", "mac": "x"}`, {skip: 'mac'})""",
    "kv": "kv('t=5,v1=ab', 'v1')",
    "link": """link('<https://api.example.com/?p=2>; rel="next"', 'next')""",
    "text": "{{ 10 | text }}",
    "recode": "{{ 'a%2Fb' | recode('marks') }}",
    "lower": "{{ 'Hue' | lower }}",
    "upper": "{{ 'Hue' | upper }}",
    "unaccent": "{{ 'Đà Nẵng' | unaccent }}",
    "keep": "{{ 'No. 7/A' | keep('A-Za-z0-9') }}",
    "truncate_bytes": "{{ 'abcdef' | truncate_bytes(4) }}",
    "squash": "{{ ' a   b ' | squash }}",
    "before": "before('7.filter.3', '.')",
    "after": "after('Existing ID: 4412', 'ID: ')",
    "last_segment": "last_segment('gid://shop/Order/4507')",
}
"""One for each function of the library."""

OF_JMESPATH = {
    "abs": ("The number without its sign.", "abs(`-3`)"),
    "avg": ("The mean of a list of numbers.", "avg(`[1, 2]`)"),
    "ceil": ("The next whole number above.", "ceil(`1.2`)"),
    "contains": ("Is it in the list, or in the text?", "contains('locker_full', 'full')"),
    "ends_with": ("Does the text end so?", "ends_with('a.pdf', '.pdf')"),
    "floor": ("The next whole number below.", "floor(`1.8`)"),
    "join": ("Texts of a list as one, with glue between.", """join(', ', `["a", "b"]`)"""),
    "keys": ("The names in an object.", """keys(`{"a": 1}`)"""),
    "length": ("How many characters, elements or names.", "length('abc')"),
    "map": ("What an expression finds in each element.", """map(&id, `[{"id": 1}, {"id": 2}]`)"""),
    "max": ("The largest of a list.", "max(`[1, 3, 2]`)"),
    "max_by": ("The element where an expression is largest.", """max_by(`[{"n": 1}, {"n": 2}]`, &n)"""),
    "merge": ("Objects as one; later ones win.", """merge(`{"a": 1}`, `{"b": 2}`)"""),
    "min": ("The smallest of a list.", "min(`[1, 3, 2]`)"),
    "min_by": ("The element where an expression is smallest.", """min_by(`[{"n": 1}, {"n": 2}]`, &n)"""),
    "not_null": ("The first that is not null.", "not_null(`null`, 'b')"),
    "reverse": ("A list or a text from its end.", "reverse(`[1, 2]`)"),
    "sort": ("A list of numbers or texts in order.", """sort(`["b", "a"]`)"""),
    "sort_by": ("A list in the order of an expression.", """sort_by(`[{"n": 2}, {"n": 1}]`, &n)"""),
    "starts_with": ("Does the text begin so?", "starts_with('ERR_7', 'ERR_')"),
    "sum": ("The exact sum of a list.", "sum(`[1, 2.5]`)"),
    "to_array": ("A list as it is, anything else in one.", "to_array('a')"),
    "to_number": ("The number in a text, or null.", "to_number('7')"),
    "to_string": ("A text as it is, anything else as JSON.", "to_string(`[1]`)"),
    "type": ("The kind of a value: string, number, boolean, array, object or null.", "type(`[1]`)"),
    "values": ("The values in an object.", """values(`{"a": 1}`)"""),
}
"""What JMESPath's own functions do, and one example for each."""

IN_TEMPLATES = (
    ("one name alone keeps its type; among other text it is written as text", "{{ input.weight }} g"),
    ("`~` joins texts", "{{ input.name ~ '-' ~ input.weight }}"),
    ("`+` `-` `*` `/` are exact", "{{ input.weight / 8 }}"),
    ("`==` `!=` `<` `<=` `>` `>=`, `and` `or` `not`", "{{ input.weight > 100 and input.name != 'B' }}"),
    ("`in` a list", "{{ input.name in ['An', 'Ba'] }}"),
    ("`a if condition else b`", "{{ 'heavy' if input.weight > 100 else 'light' }}"),
    ("`is given`: was it given at all?", "{{ input.note is given }}"),
    ("`is matching('…')`: does the whole text fit an RE2 pattern?", "{{ input.name is matching('[A-Z][a-z]+') }}"),
    ("`default(…)`: instead of what is not given", "{{ input.note | default('none') }}"),
    ("what is not given is *absent*: the whole text falls away, and its key with it", "note: {{ input.note }}"),
)

NAMES = {
    "input": "what the caller gave",
    "config": "the fields of `configSchema` without `writeOnly`",
    "credentials": "the fields of `configSchema` with `writeOnly: true`",
    "app": "the operator's own app at the provider (`app`)",
    "vars": "what `vars` of the action computed",
    "call": "`call.now` (RFC 3339), `call.id`, `call.random`, `call.idempotencyKey` as the caller gave it, `call.key` "
    "as it is to be sent",
    "steps": "`steps.<stepId>.outputs.<name>` of the steps before",
    "page": "with pagination, in requests: `page.cursor`, `page.number` or `page.offset`, and `page.limit`",
    "payload": "the body that is to be signed",
    "token": "`token.access`, `token.refresh`, `token.expiresAt`, `token.scope` of a login",
    "request": "the request: `request.method`, `.url`, `.base`, `.path`, `.headers`, `.query`, `.queryText`, `.form`, "
    "`.json` and `.raw` (the body as text); of a webhook also `.urlWithPort` and `.key`; on an answer only `.url`",
    "auth": "`auth.method`: which method was chosen",
    "status": "the HTTP status, a number",
    "headers": 'the headers, names in small letters: `headers."x-request-id"`',
    "body": "the body, parsed",
    "text": "the body as text",
    "code": "what `answer.code` found",
    "message": "what `answer.message` found",
    "read": "what `read` found",
    "data": "the output of the action that looks",
    "answer": "the answer: `answer.status`, `.headers`, `.body`, `.raw`",
    "verify": "`verify.timestamp`: what the proof's `timestamp` found",
    "method": "the HTTP method of the message",
    "query": "the query of the URL",
    "form": "the body, where it is a form",
    "webhook": "`webhook.url`; in proofs also `webhook.token` and `webhook.secret`, which the engine makes",
    "item": "inside `$each` or `each`: the element (and `index`, its number from 0, inside `$each`)",
}
"""What each name holds."""


def result_of(text: str) -> Any:
    """What an example gives: a template where it holds `{{`, else a query."""
    made = compile_template(text, _NAMES) if "{{" in text else compile_query(text, _NAMES)
    return made(_SCOPE.child())


def places() -> list[tuple[str, Names]]:
    """Where names stand, in the order in which an author meets them."""
    form = {"properties": {"shopId": {}, "apiKey": {"writeOnly": True}}}
    made = Places.of(form, {"clientId": ""}, {}, LIBRARY)
    return [
        ("`servers`, `when` of an auth method", made.servers()),
        ("`request` and `vars` of an action (templates)", made.request(ANY, ANY, ANY)),
        ("`apply` and `sign` of an auth method (templates)", made.signing()),
        ("requests of a login (templates)", made.own_request(ANY)),
        ("`answer`, `errors`, `read`, `output`, `pagination` (queries on an answer)", made.any_answer()),
        ("`output` of an action with `steps` (queries)", made.after_steps(ANY, ANY, ANY, ANY)),
        ("`when` of a step (queries)", made.before_step(ANY, ANY, ANY)),
        ("`checks` (queries)", made.checks(ANY)),
        ("`verifyAnswer` (templates)", made.verify_answer()),
        ("`confirm` (queries)", made.found(ANY, ANY)),
        ("`webhooks`: `when`, `read`, `each`, `events`, `dedupe` (queries)", made.incoming(read=ANY)),
        ("`verify` of `webhooks`: `text`, `key` (templates)", made.proof()),
        ("`answers` of `webhooks` (templates)", made.webhook_answer()),
    ]


def page() -> str:
    """The whole page."""
    return "\n".join([*_head(), *_names(), *_templates(), *_library(), *_standard(), *_words()]) + "\n"


def _head() -> Iterator[str]:
    yield from (
        "# The language: names, functions, words",
        "",
        'Everything that an expression of a spec may say. *Templates* (`"{{ … }}"`) write what is sent, *queries*',
        "([JMESPath](https://jmespath.org)) read what came and decide. Both call the same functions: in a template a",
        "function is a filter, `{{ input.name | upper }}`; in a query it is called, `upper(body.name)`.",
        "",
        "This page is written from the tables of the engine; each example is run, and what it gives stands beside it.",
        "",
    )


def _names() -> Iterator[str]:
    yield from ("## Names", "", "Which names exist depends on the place. A name that can't be there is `NAME001`.", "")
    rows = [(where, ", ".join(code(name) for name in sorted(names.roots))) for where, names in places()]
    yield from table(("at this place", "these names"), rows)
    yield from table(("name", "what it is"), [(code(name), said) for name, said in NAMES.items()])


def _templates() -> Iterator[str]:
    yield from ("## Templates", "", "Here `input` is `{name: An, weight: 500}`.", "")
    yield from table(
        ("what", "for example", "gives"), [(what, code(text), _shown(text)) for what, text in IN_TEMPLATES]
    )
    yield from (
        "## Queries",
        "",
        "| write | for |",
        "|---|---|",
        "| `body.items[0].id` | a path; what is not there is null |",
        '| `headers."x-request-id"` | a name with a dash, in double quotes |',
        "| `'text'` | a text, in single quotes |",
        "| `` `5` ``, `` `true` ``, `` `null` ``, `` `[]` `` | any other literal, in backticks |",
        "| `==` `!=` `<` `<=` `>` `>=`, `&&` `\\|\\|` `!` | comparing and joining; never `and`, `or`, `not` |",
        "| `body.items[?state == 'open'].id` | the ids of those that are open |",
        "| `body.items[*].{id: id, name: title}` | a list of new objects |",
        "| `a \\|\\| b` | the first that is neither null, false nor empty |",
        "| `{$const: VND}` | a literal where a query is expected |",
        "",
    )


def _library() -> Iterator[str]:
    yield from ("## Functions of both languages", "")
    yield from ("The first argument (`x`) stands before the `|` of a template. Null in, null out.", "")
    yield from table(
        ("function", "what it gives", "for example", "gives"),
        [
            (code(signature(function)), _said(function), code(EXAMPLES[name]), _shown(EXAMPLES[name]))
            for name, function in sorted(LIBRARY.items())
        ],
    )
    yield from ("In the examples the table `size` maps `s` to `small`, and `marks` maps `%2F` to `/`.", "")


def _standard() -> Iterator[str]:
    yield from ("## Functions of queries only", "", "JMESPath's own.", "")
    rows = [(code(name), plain(said), code(text), _shown(text)) for name, (said, text) in sorted(OF_JMESPATH.items())]
    yield from table(("function", "what it gives", "for example", "gives"), rows)


def _words() -> Iterator[str]:
    yield from _WORDS.strip().splitlines()


def signature(function: Function) -> str:
    """`time(x, format, zone?)`."""
    positional = [name if i < function.required else f"{name}?" for i, name in enumerate(function.positional)]
    options = [f"{name}: …" for name in function.options]
    return f"{function.name}({', '.join(['x', *positional, *options])})"


def _said(function: Function) -> str:
    return plain(" ".join((inspect.getdoc(function.call) or "").replace("`", "").split()))


def _shown(text: str) -> str:
    value = result_of(text)
    return "*absent*" if value is ABSENT else code(exact.dumps(value).decode())


_WORDS = """
## Words of pagination

`pagination` says how a list goes on; callers then give `limit` and `cursor` and get `nextCursor`.

| `kind` | the provider | say |
|---|---|---|
| `cursor` | gives a value that leads on | `into: query.after`, `next: body.next` |
| `page` | counts pages from 1 | `into: query.page` |
| `offset` | counts entries from 0 | `into: query.offset` |
| `url` | gives the URL of the next page | `next: body.links.next` |

`into` says where in the request the position goes, `limit` how many entries a page has, `next` where the next cursor or
URL stands in the answer, and `items` is the list. `more` holds while there is more; without it a `page` or `offset`
list ends with a page that is empty or shorter than the limit.

## Words of webhooks

`verify` proves the sender, `read` and `each` take the message apart, `events` say what it becomes (`type`, `data`;
`ignore: true` for nothing), and `dedupe` says what makes a message the same as an earlier one. What the provider is
answered stands under `answers`: `accepted`, `duplicate`, `refused` and `failed`.

| `scheme` | proves with |
|---|---|
| `hmac-sha256`, `hmac-sha1`, `hmac-sha512` | `text` signed under `key`, against what `given` finds |
| `md5`, `sha256` | a digest of `text`, which holds the secret itself; no `key` |
| `ecdsa-p256-sha256` | a public key of the provider as `key` |
| `equals` | a secret word: what `given` finds is the `key` |
| `refuse` | nothing: whoever comes here is refused |

`encoding` is `hex` or `base64`; `timestamp` (`value`, `unit`, `toleranceSeconds`) refuses what is old; `also` holds
further proofs that must fit besides.

## Words of idempotency

| `idempotency` | a second sending | when an answer is lost |
|---|---|---|
| `key` | is recognised by the key that the request carries (`call.key`) | it is sent again |
| `natural` | changes nothing more (cancel, set a price) | `OUTCOME_UNKNOWN` |
| `none` | makes a second thing | `OUTCOME_UNKNOWN` |
"""


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
