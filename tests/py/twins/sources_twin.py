"""sources.c once more, in FastAPI."""

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

from fastapi import (
    Body,
    Cookie,
    FastAPI,
    File,
    Form,
    Header,
    Path,
    Query,
    UploadFile,
)
from pydantic import BaseModel, ConfigDict, Field

app = FastAPI(separate_input_output_schemas=False)


class color(str, Enum):
    red = "red"
    green = "green"
    blue = "blue"


# --- Path --------------------------------------------------------------------


@app.get("/path/str/{s:str}")
def path_str(s: str) -> str:
    return s


@app.get("/path/int/{n:int}")
def path_int(n: int) -> int:
    return n


@app.get("/path/float/{x:float}")
def path_float(x: float) -> float:
    return x


@app.get("/path/uuid/{id:uuid}")
def path_uuid(id: UUID) -> UUID:
    return id


@app.get("/path/any-uuid/{id}")
def path_any_uuid(id: UUID) -> UUID:
    return id


@app.get("/path/date/{day}")
def path_date(day: date) -> date:
    return day


@app.get("/path/color/{color}")
def path_color(color: color) -> color:
    return color


@app.get("/path/rest/{rest:path}")
def path_rest(rest: str) -> str:
    return rest


# --- Query -------------------------------------------------------------------


class seen(BaseModel):
    n: int | None = None
    x: float | None = None
    b: bool | None = None
    s: str | None = None
    day: date | None = None
    at: datetime | None = None
    id: UUID | None = None


@app.get("/query/all")
def query_all(
    n: int | None = None,
    x: float | None = None,
    b: bool | None = None,
    s: str | None = None,
    day: date | None = None,
    at: datetime | None = None,
    id: UUID | None = None,
) -> seen:
    return seen(n=n, x=x, b=b, s=s, day=day, at=at, id=id)


class alias(BaseModel):
    from_: int = Field(alias="from")
    words: list[str]


@app.get("/query/alias")
def query_alias(
    from_: Annotated[int, Query(alias="from")],
    words: Annotated[list[str], Query(alias="word[]")],
) -> alias:
    return alias(**{"from": from_}, words=words)


class lists(BaseModel):
    n: list[int] | None = None
    s: list[str] | None = None


@app.get("/query/lists")
def query_lists(
    n: Annotated[list[int] | None, Query()] = None,
    s: Annotated[list[str] | None, Query()] = None,
) -> lists:
    return lists(n=n, s=s)


@app.get("/query/dates")
def query_dates(day: Annotated[list[date], Query()]) -> list[date]:
    return day


@app.get("/query/uuids")
def query_uuids(id: Annotated[list[UUID], Query()]) -> list[UUID]:
    return id


@app.post("/query/post")
def query_post(a: int, more: Annotated[list[int], Query()]) -> int:
    return a + len(more)


class page(BaseModel):
    limit: int
    word: str | None = None
    color: color
    day: date | None = None
    tags: list[int] | None = None


@app.get("/query/model")
def query_model(page: Annotated[page, Query()]) -> page:
    return page


@app.get("/query/maybe-model")
def query_maybe_model(page: Annotated[page | None, Query()] = None) -> page | None:
    return page


@app.get("/query/null-model")
def query_null_model(page: Annotated[page | None, Query()] = None) -> page | None:
    return page


class strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int
    b: int | None = None


@app.get("/query/strict")
def query_strict(strict: Annotated[strict, Query()]) -> strict:
    return strict


# --- Headers -----------------------------------------------------------------


class headers(BaseModel):
    token: str
    n: int
    flag: bool | None = None
    all: list[str]


@app.get("/header/all")
def header_all(
    x_token: Annotated[str, Header()],
    n: Annotated[int, Header(alias="X-Number")] = 7,
    flag: Annotated[bool | None, Header(alias="x-flag")] = None,
    all: Annotated[list[str] | None, Header(alias="x-all")] = None,
) -> headers:
    return headers(token=x_token, n=n, flag=flag, all=all or [])


@app.get("/header/list")
def header_list(x: Annotated[list[int], Header(alias="X-Num")]) -> list[int]:
    return x


@app.get("/header/types")
def header_types(
    day: Annotated[date | None, Header(alias="x-day")] = None,
    at: Annotated[datetime | None, Header(alias="x-at")] = None,
    id: Annotated[UUID | None, Header(alias="x-id")] = None,
) -> seen:
    return seen(day=day, at=at, id=id)


class head(BaseModel):
    x_number: int
    accept: str
    x_tag: list[str] | None = None
    x_id: UUID | None = None


@app.get("/header/model")
def header_model(head: Annotated[head, Header()]) -> head:
    return head


class special(BaseModel):
    x_number: int
    x_other: str | None = None


@app.get("/header/maybe-model")
def header_maybe_model(
    head: Annotated[special | None, Header()] = None,
) -> special | None:
    return head


# --- Cookies -----------------------------------------------------------------


class cookies(BaseModel):
    sid: str
    n: int | None = None
    color: color


@app.get("/cookie/all")
def cookie_all(
    sid: Annotated[str, Cookie()],
    n: Annotated[int | None, Cookie(alias="the-number")] = None,
    color: Annotated[color, Cookie()] = color.blue,
) -> cookies:
    return cookies(sid=sid, n=n, color=color)


class jar(BaseModel):
    sid: int
    word: str | None = None


@app.get("/cookie/model")
def cookie_model(jar: Annotated[jar, Cookie()]) -> jar:
    return jar


# --- Forms -------------------------------------------------------------------


@app.post("/form/all")
def form_all(
    s: Annotated[str, Form()],
    n: Annotated[int | None, Form()] = None,
    x: Annotated[float | None, Form()] = None,
    b: Annotated[bool | None, Form()] = None,
    day: Annotated[date | None, Form()] = None,
    at: Annotated[datetime | None, Form()] = None,
    id: Annotated[UUID | None, Form()] = None,
) -> seen:
    return seen(n=n, x=x, b=b, s=s, day=day, at=at, id=id)


@app.post("/form/last", status_code=204)
def form_last(
    a: Annotated[int, Form()],
    b: Annotated[int, Form()],
    at: Annotated[datetime | None, Form()] = None,
) -> None:
    """Nothing lies behind the last value."""


class titles(BaseModel):
    title: str
    n: list[int] | None = None
    c: list[color]


@app.put("/form/lists")
def form_lists(
    title: Annotated[str, Form()],
    c: Annotated[list[color], Form()],
    n: Annotated[list[int] | None, Form()] = None,
) -> titles:
    return titles(title=title, n=n, c=c)


class form(BaseModel):
    title: str
    n: int
    tags: list[str] | None = None
    day: date | None = None


@app.post("/form/model")
def form_model(form: Annotated[form, Form()]) -> form:
    return form


class mixed(BaseModel):
    form: form
    note: str | None = None
    q: int


@app.post("/form/mixed")
def form_mixed(
    form: Annotated[form, Form()], q: int, note: Annotated[str | None, Form()] = None
) -> mixed:
    return mixed(form=form, note=note, q=q)


@app.post("/form/strict")
def form_strict(strict: Annotated[strict, Form()]) -> strict:
    return strict


class sent(BaseModel):
    name: str
    type: str
    size: int
    note: str


def sent_of(file: Any, note: str) -> sent:
    return sent(
        name=file.filename or "",
        type=file.content_type or "",
        size=file.size or 0,
        note=note,
    )


@app.post("/upload/one")
def upload_one(file: UploadFile, note: Annotated[str, Form()] = "none") -> sent:
    return sent_of(file, note)


@app.post("/upload/many")
def upload_many(files: list[UploadFile]) -> list[sent]:
    return [sent_of(file, file.file.read(20).decode()) for file in files]


@app.post("/upload/maybe")
def upload_maybe(file: UploadFile | None = None) -> sent:
    return sent_of(file, "x") if file else sent(name="", type="", size=-1, note="")


@app.post("/upload/bytes")
def upload_bytes(data: Annotated[bytes, File()]) -> str:
    return data.decode()


# --- Embedded bodies ---------------------------------------------------------


@app.post("/body/one")
def body_one(count: Annotated[int, Body(embed=True)]) -> int:
    return count


@app.post("/body/several")
def body_several(
    form: form, q: int, note: Annotated[str | None, Body()] = None
) -> mixed:
    return mixed(form=form, note=note, q=q)


@app.post("/body/embedded")
def body_embedded(form: Annotated[form, Body(embed=True)]) -> form:
    return form


# --- Constraints -------------------------------------------------------------


class limited(BaseModel):
    n: Annotated[int, Field(ge=1, le=10)]
    word: Annotated[str, Field(min_length=2, max_length=4)]
    few: Annotated[list[int], Field(min_length=1, max_length=2)] | None = None


@app.get("/limited/query")
def limited_query(limited: Annotated[limited, Query()]) -> limited:
    return limited


@app.post("/limited/form")
def limited_form(limited: Annotated[limited, Form()]) -> limited:
    return limited


Letters = Annotated[str, Path(min_length=3, max_length=3, pattern="^[a-z]+$")]
Few = Annotated[
    list[Annotated[int, Field(ge=0, le=5)]], Query(min_length=1, max_length=2)
]


@app.get("/limited/params/{id}")
def limited_params(
    id: Letters, n: Few, token: Annotated[str, Header(alias="x-token", min_length=2)]
) -> titles:
    return titles(title=token, n=n, c=[])


# --- Everything in one -------------------------------------------------------


class every(BaseModel):
    p: int
    q: int
    h: int
    c: int
    form: form


@app.post("/every/{p}")
def in_every_place(
    form: form,
    c: Annotated[int, Cookie()],
    h: Annotated[int, Header(alias="x-h")],
    q: int,
    p: int,
) -> every:
    return every(p=p, q=q, h=h, c=c, form=form)


@app.post("/every-form/{p}")
def every_form(
    form: Annotated[form, Form()],
    c: Annotated[int, Cookie()],
    h: Annotated[int, Header(alias="x-h")],
    q: int,
    p: int,
) -> every:
    return every(p=p, q=q, h=h, c=c, form=form)
