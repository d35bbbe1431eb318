#include "py/moment.h"

#include <datetime.h>

#include "type/calendar.h"

#include "base/banned.h"

#define DAY_SECONDS 86400
#define SECOND_US 1000000

/* What all of this file's functions take. */
#define IN                                                                     \
    const struct inlay_py_conversion *conversion,                              \
        const struct inlay_py_type *type, PyObject *value, void *at,           \
        const struct inlay_py_place *place

#define OUT                                                                    \
    const struct inlay_py_conversion *conversion,                              \
        const struct inlay_py_type *type, const void *at,                      \
        const struct inlay_py_place *place

/* The header's own pointer would be one more per file. `state` may be NULL. */
static PyDateTime_CAPI *datetime_api(struct inlay_py_state *state)
{
    PyDateTime_CAPI *api = state ? state->datetime : NULL;

    (void)PyDateTimeAPI;
    if (inlay_unlikely(!api))
        api = PyCapsule_Import(PyDateTime_CAPSULE_NAME, 0);
    if (state)
        state->datetime = api;
    return api;
}

static PyObject *import_uuid(void)
{
    _cleanup_decref_ PyObject *module = PyImport_ImportModule("uuid");

    return module ? PyObject_GetAttrString(module, "UUID") : NULL;
}

/* A new reference. */
static PyObject *uuid_class(struct inlay_py_state *state)
{
    if (!state)
        return import_uuid();
    if (!state->uuid_type)
        state->uuid_type = import_uuid();
    return Py_XNewRef(state->uuid_type);
}

PyObject *inlay_py_moment_class(enum inlay_kind kind)
{
    PyDateTime_CAPI *api;

    if (kind == INLAY_KIND_UUID)
        return import_uuid();
    api = datetime_api(NULL);
    if (!api)
        return NULL;
    return Py_NewRef(kind == INLAY_KIND_DATE ? (PyObject *)api->DateType
                                             : (PyObject *)api->DateTimeType);
}

int inlay_py_moment_kind(struct inlay_py_state *state,
                         PyObject *value,
                         enum inlay_kind *ret)
{
    const PyDateTime_CAPI *api = datetime_api(state);

    if (!api)
        return -1;
    *ret = INLAY_KIND_DATETIME;
    if (PyObject_TypeCheck(value, api->DateTimeType))
        return 1;
    *ret = INLAY_KIND_DATE;
    if (PyObject_TypeCheck(value, api->DateType))
        return 1;
    *ret = INLAY_KIND_UUID;
    _cleanup_decref_ PyObject *class = uuid_class(state);
    return class ? PyObject_IsInstance(value, class) : -1;
}

static int date_in(IN)
{
    const PyDateTime_CAPI *api = datetime_api(conversion->state);
    struct inlay_date date;

    if (!api)
        return -1;
    /* A datetime is a date to Python: its time would get lost. */
    if (!PyObject_TypeCheck(value, api->DateType) ||
        PyObject_TypeCheck(value, api->DateTimeType))
        return inlay_py_mismatch(conversion, type, value, place);
    date.year = (int16_t)PyDateTime_GET_YEAR(value);
    date.month = (uint8_t)PyDateTime_GET_MONTH(value);
    date.day = (uint8_t)PyDateTime_GET_DAY(value);
    memcpy(at, &date, sizeof(date));
    return 0;
}

/* Seconds east of UTC, or INLAY_NAIVE. */
static int offset_of(IN, int32_t *ret)
{
    const PyDateTime_CAPI *api = datetime_api(conversion->state);

    (void)type;
    (void)at;
    *ret = INLAY_NAIVE;
    if (!((PyDateTime_DateTime *)value)->hastzinfo)
        return 0;
    _cleanup_decref_ PyObject *delta =
        PyObject_CallMethod(value, "utcoffset", NULL);
    if (!delta || delta == Py_None)
        return delta ? 0 : -1;
    if (!PyObject_TypeCheck(delta, api->DeltaType) ||
        PyDateTime_DELTA_GET_MICROSECONDS(delta) != 0)
        return inlay_py_fail(conversion, place, PyExc_ValueError,
                             "an offset of %S is no whole number of seconds",
                             delta);
    *ret = PyDateTime_DELTA_GET_DAYS(delta) * DAY_SECONDS +
           PyDateTime_DELTA_GET_SECONDS(delta);
    return 0;
}

static int datetime_in(IN)
{
    const PyDateTime_CAPI *api = datetime_api(conversion->state);
    struct inlay_datetime moment;

    if (!api)
        return -1;
    if (!PyObject_TypeCheck(value, api->DateTimeType))
        return inlay_py_mismatch(conversion, type, value, place);
    memset(&moment, 0, sizeof(moment));
    if (offset_of(conversion, type, value, at, place, &moment.offset) < 0)
        return -1;
    int64_t days =
        inlay_time_days(PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value),
                        PyDateTime_GET_DAY(value));
    int64_t seconds = days * DAY_SECONDS +
                      PyDateTime_DATE_GET_HOUR(value) * 3600 +
                      PyDateTime_DATE_GET_MINUTE(value) * 60 +
                      PyDateTime_DATE_GET_SECOND(value);
    if (moment.offset != INLAY_NAIVE)
        seconds -= moment.offset;
    moment.us = seconds * SECOND_US + PyDateTime_DATE_GET_MICROSECOND(value);
    memcpy(at, &moment, sizeof(moment));
    return 0;
}

static int uuid_in(IN)
{
    _cleanup_decref_ PyObject *class = uuid_class(conversion->state);
    int is_uuid = class ? PyObject_IsInstance(value, class) : -1;

    if (is_uuid <= 0)
        return is_uuid < 0 ? -1
                           : inlay_py_mismatch(conversion, type, value, place);
    _cleanup_decref_ PyObject *bytes = PyObject_GetAttrString(value, "bytes");
    if (!bytes)
        return -1;
    if (!PyBytes_Check(bytes) || PyBytes_GET_SIZE(bytes) != 16)
        return inlay_py_mismatch(conversion, type, value, place);
    memcpy(at, PyBytes_AS_STRING(bytes), 16);
    return 0;
}

int inlay_py_moment_in(IN)
{
    if (type->c->kind == INLAY_KIND_DATE)
        return date_in(conversion, type, value, at, place);
    return type->c->kind == INLAY_KIND_DATETIME
               ? datetime_in(conversion, type, value, at, place)
               : uuid_in(conversion, type, value, at, place);
}

static PyObject *date_out(OUT)
{
    PyDateTime_CAPI *api = datetime_api(conversion->state);
    struct inlay_date date;

    (void)type;
    if (!api)
        return NULL;
    memcpy(&date, at, sizeof(date));
    if (inlay_time_date_valid(date))
        return api->Date_FromDate(date.year, date.month, date.day,
                                  api->DateType);
    inlay_py_fail(conversion, place, PyExc_ValueError,
                  "%d-%d-%d is no date of the years 1 to 9999", date.year,
                  date.month, date.day);
    return NULL;
}

/* A new reference to a tzinfo, or to None. */
static PyObject *zone_of(PyDateTime_CAPI *api, int32_t offset)
{
    int days = 0, seconds = offset;

    if (offset == INLAY_NAIVE)
        return Py_NewRef(Py_None);
    if (offset == 0)
        return Py_NewRef(api->TimeZone_UTC);
    if (seconds < 0) {
        days = -1;
        seconds += DAY_SECONDS;
    }
    _cleanup_decref_ PyObject *delta =
        api->Delta_FromDelta(days, seconds, 0, 0, api->DeltaType);
    return delta ? api->TimeZone_FromTimeZone(delta, NULL) : NULL;
}

static PyObject *datetime_out(OUT)
{
    PyDateTime_CAPI *api = datetime_api(conversion->state);
    struct inlay_datetime moment;
    struct inlay_clock clock;

    (void)type;
    if (!api)
        return NULL;
    memcpy(&moment, at, sizeof(moment));
    if (!inlay_time_clock(moment, &clock)) {
        inlay_py_fail(conversion, place, PyExc_ValueError,
                      "%lld us at an offset of %d s is no datetime of the "
                      "years 1 to 9999",
                      (long long)moment.us, (int)moment.offset);
        return NULL;
    }
    _cleanup_decref_ PyObject *zone = zone_of(api, moment.offset);
    if (!zone)
        return NULL;
    return api->DateTime_FromDateAndTime(
        clock.date.year, clock.date.month, clock.date.day, clock.hour,
        clock.minute, clock.second, (int)clock.us, zone, api->DateTimeType);
}

static PyObject *uuid_out(OUT)
{
    _cleanup_decref_ PyObject *class = uuid_class(conversion->state);
    _cleanup_decref_ PyObject *args = PyTuple_New(0);
    _cleanup_decref_ PyObject *keywords =
        Py_BuildValue("{s:y#}", "bytes", (const char *)at, (Py_ssize_t)16);

    (void)type;
    (void)place;
    return class && args && keywords ? PyObject_Call(class, args, keywords)
                                     : NULL;
}

PyObject *inlay_py_moment_out(OUT)
{
    if (type->c->kind == INLAY_KIND_DATE)
        return date_out(conversion, type, at, place);
    return type->c->kind == INLAY_KIND_DATETIME
               ? datetime_out(conversion, type, at, place)
               : uuid_out(conversion, type, at, place);
}
