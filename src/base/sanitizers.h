/*
 * sanitizers.h - which of the compiler's sanitizers watch this build. Memory
 * that is handed on must then be freed instead, so that they see each use.
 */
#ifndef INLAY_BASE_SANITIZERS_H
#define INLAY_BASE_SANITIZERS_H

#ifndef __has_feature /* clang's */
#define __has_feature(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define INLAY_SANITIZED_ADDRESS 1
#else
#define INLAY_SANITIZED_ADDRESS 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define INLAY_SANITIZED_THREAD 1
#else
#define INLAY_SANITIZED_THREAD 0
#endif

#define INLAY_SANITIZED (INLAY_SANITIZED_ADDRESS || INLAY_SANITIZED_THREAD)

#endif
