"""Tables of the modules beside this, in both dialects."""

EVERY = {
    "postgresql": """create type colour as enum ('RED', 'GREEN', 'BLUE');
        create table every (flag boolean, small smallint, medium integer,
        big bigint, narrow real, precise double precision, words text,
        data bytea, day date, moment timestamptz, id uuid, colour colour,
        maybe bigint, note varchar(20), amount numeric(20, 4),
        numbers bigint[], names text[], place jsonb)""",
    "sqlite": """create table every (flag boolean, small smallint,
        medium integer, big bigint, narrow real, precise double precision,
        words text, data blob, day text, moment text, id text, colour text,
        maybe bigint, note text, amount text, numbers text, names text,
        place json)""",
}
ITEMS = """create table items (id bigint primary key, name text not null,
    count integer not null check (count >= 0))"""
