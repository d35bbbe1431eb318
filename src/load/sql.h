/*
 * sql.h - what the text of a statement tells without a database: which
 * parameters it has. The lexical rules are PostgreSQL's ("SQL Syntax", Lexical
 * Structure, with standard_conforming_strings); SQLite's strings, identifiers
 * and comments are read the same way, but that its comments are not nested.
 */
#ifndef INLAY_LOAD_SQL_H
#define INLAY_LOAD_SQL_H

#include "base/str.h"

/*
 * The highest n of $n outside of strings, quoted identifiers, comments and
 * dollar quotes; 0: there is none. Text that does not end what it begins is no
 * error here. At most 1,000,000.
 */
unsigned inlay_sql_params(struct inlay_str sql);

#endif
