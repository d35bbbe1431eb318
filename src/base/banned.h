/*
 * banned.h - functions that nobody uses here, made compile errors. Every .c
 * file includes it last: before the system headers it would break them.
 */
#ifndef INLAY_BASE_BANNED_H
#define INLAY_BASE_BANNED_H

#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef strtok
#undef sprintf
#undef vsprintf
#undef gets
#undef atoi
#undef atol
#undef atoll
#undef atof
#undef alloca
#undef gmtime
#undef localtime
#undef ctime

#pragma GCC poison strcpy strcat strncpy strncat strtok sprintf vsprintf gets
#pragma GCC poison atoi atol atoll atof alloca gmtime localtime ctime

#endif
