/*
 * sql.h - what the text of a statement tells without a database: which
 * parameters it has, which columns are copied into. The lexical rules are PostgreSQL's ("SQL Syntax", Lexical
 * Structure, with standard_conforming_strings); SQLite's strings, identifiers
 * and comments are read the same way, but that its comments are not nested.
 */
#ifndef INLAY_LOAD_SQL_H
#define INLAY_LOAD_SQL_H

#include <stdbool.h>

#include "base/str.h"

/*
 * The highest n of $n outside of strings, quoted identifiers, comments and
 * dollar quotes; 0: there is none. Text that does not end what it begins is no
 * error here. At most 1,000,000.
 */
unsigned inlay_sql_params(struct inlay_str sql);

/*
 * Is it a table, perhaps with its columns: users, app."Users" (id, "full
 * name")? *columns_ret is what stands in the parentheses; ptr NULL: they are
 * not there.
 */
bool inlay_sql_table(struct inlay_str sql, struct inlay_str *columns_ret);

/* Takes the first name off such a list, with its quotes; false: it is empty. */
bool inlay_sql_column(struct inlay_str *columns, struct inlay_str *ret);

#endif
