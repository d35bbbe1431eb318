create table users (
    id integer primary key autoincrement,
    name text not null,
    email text not null unique,
    score real not null default 0,
    created text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
