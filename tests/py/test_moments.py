"""Dates, moments and UUIDs in calls, and what pydantic makes of them."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import random
import typing
import uuid

import pytest

SOURCE = """
    #define ECHO(name, T) T name(T v) { return v; }
    INLAY_SLICE(dates, inlay_date);
    INLAY_SLICE(moments, inlay_datetime);
    INLAY_SLICE(ids, inlay_uuid);
    INLAY_OPTIONAL(maybe_date, inlay_date);
    INLAY_OPTIONAL(maybe_moment, inlay_datetime);
    INLAY_OPTIONAL(maybe_id, inlay_uuid);
    struct event { inlay_uuid id; inlay_date day; inlay_datetime at[2]; maybe_id by; };
    ECHO(echo_date, inlay_date)
    ECHO(echo_moment, inlay_datetime)
    ECHO(echo_id, inlay_uuid)
    ECHO(echo_dates, dates)
    ECHO(echo_moments, moments)
    ECHO(echo_ids, ids)
    ECHO(echo_maybe_date, maybe_date)
    ECHO(echo_maybe_moment, maybe_moment)
    ECHO(echo_event, struct event)
    int64_t us_of(inlay_datetime v) { return v.us; }
    int32_t offset_of(inlay_datetime v) { return v.offset; }
    inlay_datetime moment(int64_t us, int32_t offset)
    {
        return (inlay_datetime){us, offset};
    }
    inlay_date date(int16_t year, uint8_t month, uint8_t day)
    {
        return (inlay_date){year, month, day};
    }
    inlay_str bytes_of(inlay_uuid v) { return inlay_format("%02x", v.bytes[0]); }
    inlay_date default_date(inlay_date v) { return v; }
    INLAY_DEFAULT(default_date, v, "2026-11-21");
    inlay_datetime default_moment(inlay_datetime v) { return v; }
    INLAY_DEFAULT(default_moment, v, "2026-11-21T10:00:00.5+01:00");
    inlay_uuid default_id(inlay_uuid v) { return v; }
    INLAY_DEFAULT(default_id, v, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    maybe_date default_maybe(maybe_date v) { return v; }
    INLAY_DEFAULT(default_maybe, v, "2000-02-29");
    inlay_date call(inlay_date (*f)(inlay_date, inlay_datetime, inlay_uuid))
    {
        return f((inlay_date){2026, 11, 21}, (inlay_datetime){5, INLAY_NAIVE},
                 (inlay_uuid){{1, 2}});
    }
    int64_t size_of(inlay_upload v) { return (int64_t)v.data.len; }
"""

ID = uuid.UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")


@pytest.fixture(scope="module")
def c(module):
    return module(SOURCE)


def zone(**parts) -> dt.timezone:
    return dt.timezone(dt.timedelta(**parts))


@pytest.mark.parametrize(
    "moment",
    [
        dt.datetime(1970, 1, 1),
        dt.datetime(1, 1, 1),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999999),
        dt.datetime(2026, 11, 21, 10, tzinfo=dt.timezone.utc),
        dt.datetime(1, 1, 1, tzinfo=zone(hours=23, minutes=59)),
        dt.datetime(9999, 12, 31, 23, 59, tzinfo=zone(hours=-23, seconds=-1)),
        dt.datetime(2026, 11, 21, 10, 0, 0, 500000, tzinfo=zone(hours=1)),
        dt.datetime(2026, 11, 21, 10, tzinfo=zone(seconds=5)),
    ],
)
def test_moments(c, moment):
    back = c.echo_moment(moment)
    assert type(back) is dt.datetime
    assert back == moment and back.utcoffset() == moment.utcoffset()
    assert back.replace(tzinfo=None) == moment.replace(tzinfo=None)
    assert c.echo_moments([moment, moment]) == [moment] * 2
    assert c.echo_maybe_moment(moment) == moment
    naive = moment.tzinfo is None
    aware = moment.replace(tzinfo=dt.timezone.utc) if naive else moment
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
    us = dt.timedelta(microseconds=1)
    local = moment.replace(tzinfo=dt.timezone.utc) - epoch
    offset = dt.timedelta(0) if naive else moment.utcoffset()
    assert c.us_of(moment) == (local - offset) // us
    assert c.offset_of(moment) == (-(2**31) if naive else offset.total_seconds())
    assert aware.tzinfo


def test_random_moments(c):
    pick = random.Random(7)
    for _ in range(500):
        moment = dt.datetime(1, 1, 1) + dt.timedelta(
            seconds=pick.randrange(315537897599), microseconds=pick.randrange(10**6)
        )
        if pick.random() < 0.7:
            moment = moment.replace(tzinfo=zone(seconds=pick.randrange(-86399, 86400)))
        back = c.echo_moment(moment)
        assert (back, back.utcoffset()) == (moment, moment.utcoffset())


def test_a_zone_with_a_summer(c):
    zoneinfo = pytest.importorskip("zoneinfo")
    try:
        berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("no time zones here")
    for fold in (0, 1):
        moment = dt.datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=fold)
        back = c.echo_moment(moment)
        assert back.utcoffset() == moment.utcoffset() == dt.timedelta(hours=2 - fold)


def test_a_zone_without_offset_is_naive(c):
    class Unknown(dt.tzinfo):
        def utcoffset(self, when):
            return None

    back = c.echo_moment(dt.datetime(2026, 1, 1, tzinfo=Unknown()))
    assert back == dt.datetime(2026, 1, 1) and back.tzinfo is None

    class Broken(dt.tzinfo):
        def utcoffset(self, when):
            raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        c.echo_moment(dt.datetime(2026, 1, 1, tzinfo=Broken()))


def test_dates_and_ids(c):
    for day in (dt.date(1, 1, 1), dt.date(2024, 2, 29), dt.date(9999, 12, 31)):
        assert c.echo_date(day) == day and type(c.echo_date(day)) is dt.date
    assert c.echo_dates((dt.date(2000, 1, 1),)) == [dt.date(2000, 1, 1)]
    assert c.echo_maybe_date(None) is None
    assert c.echo_id(ID) == ID and type(c.echo_id(ID)) is uuid.UUID
    assert c.echo_ids([ID] * 3) == [ID] * 3
    assert c.bytes_of(ID) == "f8"


def test_defaults(c):
    assert c.default_date() == dt.date(2026, 11, 21)
    assert c.default_moment() == dt.datetime(
        2026, 11, 21, 10, 0, 0, 500000, tzinfo=zone(hours=1)
    )
    assert c.default_id() == ID
    assert c.default_maybe() == dt.date(2000, 2, 29)
    assert c.default_maybe(None) is None
    assert c.default_date.__signature__.parameters["v"].default == dt.date(2026, 11, 21)


@pytest.mark.parametrize(
    "name, value, error, message",
    [
        ("date", dt.datetime(2026, 1, 1), TypeError, "expected date, got datetime"),
        ("date", "2026-11-21", TypeError, "expected date, got str"),
        ("date", None, TypeError, "expected date, got None"),
        ("moment", dt.date(2026, 1, 1), TypeError, "expected datetime, got datetime.d"),
        ("moment", 0, TypeError, "expected datetime, got int"),
        (
            "moment",
            dt.datetime(2026, 1, 1, tzinfo=zone(microseconds=1)),
            ValueError,
            "an offset of 0:00:00.000001 is no whole number of seconds",
        ),
        ("id", str(ID), TypeError, "expected UUID, got str"),
        ("id", ID.bytes, TypeError, "expected UUID, got bytes"),
    ],
)
def test_wrong_values(c, name, value, error, message):
    with pytest.raises(error, match=rf"echo_{name}\(\): parameter 'v': {message}"):
        getattr(c, f"echo_{name}")(value)


def test_what_c_made_wrong(c):
    with pytest.raises(ValueError, match=r"result: 2026-13-1 is no date"):
        c.date(2026, 13, 1)
    with pytest.raises(ValueError, match=r"result: .* is no datetime"):
        c.moment(2**62, 0)
    with pytest.raises(ValueError, match="at an offset of 86400 s"):
        c.moment(0, 86400)


def test_structs(c):
    at = [dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)]
    event = c.event(ID, dt.date(2026, 1, 1), at, None)
    back = c.echo_event(event)
    assert back == event and back.by is None and back.at == at
    assert c.echo_event(c.event(ID, event.day, at, by=ID)).by == ID
    assert pickle.loads(pickle.dumps(back)) == copy.deepcopy(back) == event


def test_callbacks(c):
    def call(day, moment, identity):
        assert day == dt.date(2026, 11, 21)
        assert moment == dt.datetime(1970, 1, 1, microsecond=5)
        assert identity == uuid.UUID(int=0x0102 << 112)
        return day.replace(year=2000)

    assert c.call(call) == dt.date(2000, 11, 21)


def test_annotations(c):
    assert typing.get_type_hints(c.echo_date) == {"v": dt.date, "return": dt.date}
    assert c.echo_moments.__annotations__["v"] == list[dt.datetime]
    assert c.echo_maybe_date.__annotations__["return"] == dt.date | None
    assert c.event.__annotations__["id"] is uuid.UUID


def test_uploads_are_for_routes(c):
    with pytest.raises(TypeError, match="only a route can take one"):
        c.size_of(b"x")


def test_stubs(c):
    from inlay import stubs

    text = stubs.text(c.__inlay__, "moments.c")
    assert "import datetime as _datetime" in text
    assert "def echo_date(v: _datetime.date) -> _datetime.date: ..." in text
    assert "    id: _uuid.UUID" in text
    compile(text, "moments.pyi", "exec")


def test_pydantic(c):
    pydantic = pytest.importorskip("pydantic")
    adapter = pydantic.TypeAdapter(c.event)
    text = (
        f'{{"id":"{ID}","day":"2026-11-21","at":["2026-11-21T10:00:00Z",'
        '"2026-11-21T10:00:00.500000"],"by":null}'
    )
    event = adapter.validate_json(text)
    assert event.day == dt.date(2026, 11, 21) and event.at[0].utcoffset() is not None
    assert adapter.dump_json(c.echo_event(event)).decode() == text
    fields = adapter.json_schema()["properties"]
    assert fields["id"]["format"] == "uuid" and fields["day"]["format"] == "date"
    assert fields["at"]["items"]["format"] == "date-time"
