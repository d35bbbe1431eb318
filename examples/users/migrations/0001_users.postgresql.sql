create table users (
    id bigint generated always as identity primary key,
    name text not null,
    email text not null unique,
    score double precision not null default 0,
    created timestamptz not null default now()
);
