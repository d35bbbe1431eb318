/*
 * fiber.h - what the sanitizers must be told when a thread goes on on another
 * stack; nothing without them. Source: sanitizer/common_interface_defs.h,
 * sanitizer/tsan_interface.h and sanitizer/lsan_interface.h of compiler-rt.
 */
#ifndef INLAY_BASE_FIBER_H
#define INLAY_BASE_FIBER_H

#include <stddef.h>

#include "base/sanitizers.h"

/* A stack as ASan and TSan know it; 0-initialised. */
struct inlay_fiber {
    void *fake;        /* ASan's stack of variables that may be used after */
    const void *outer; /* whoever switched to it: the end of its stack */
    size_t outer_size;
    void *tsan, *outer_tsan;
};

#if INLAY_SANITIZED_ADDRESS

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

/* Memory at `low` is going to be a stack, or was one: LSan reads it. */
static inline void inlay_fiber_map(void *low, size_t size)
{
    __lsan_register_root_region(low, size);
}

static inline void inlay_fiber_unmap(void *low, size_t size)
{
    __asan_unpoison_memory_region(low, size);
    __lsan_unregister_root_region(low, size);
}

/* Another function will begin on it; the last one may not have returned. */
static inline void inlay_fiber_begin(struct inlay_fiber *fiber,
                                     void *low,
                                     size_t size)
{
    *fiber = (struct inlay_fiber){0};
    __asan_unpoison_memory_region(low, size);
}

/* It never will be switched to again. */
static inline void inlay_fiber_end(struct inlay_fiber *fiber)
{
    (void)fiber;
}

/* Before and after the switch, by the one that switches to `fiber`. */
static inline void inlay_fiber_enter(struct inlay_fiber *fiber,
                                     void **fake_ret,
                                     const void *low,
                                     size_t size)
{
    (void)fiber;
    __sanitizer_start_switch_fiber(fake_ret, low, size);
}

static inline void inlay_fiber_entered(void *fake)
{
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
}

/* On the stack of `fiber`: it has been switched to. */
static inline void inlay_fiber_resumed(struct inlay_fiber *fiber)
{
    __sanitizer_finish_switch_fiber(fiber->fake, &fiber->outer,
                                    &fiber->outer_size);
}

/* Before it switches back; `last`: for good. */
static inline void inlay_fiber_leave(struct inlay_fiber *fiber, int last)
{
    __sanitizer_start_switch_fiber(last ? NULL : &fiber->fake, fiber->outer,
                                   fiber->outer_size);
}

#elif INLAY_SANITIZED_THREAD

#include <sanitizer/tsan_interface.h>

static inline void inlay_fiber_map(void *low, size_t size)
{
    (void)low;
    (void)size;
}

static inline void inlay_fiber_unmap(void *low, size_t size)
{
    (void)low;
    (void)size;
}

static inline void inlay_fiber_begin(struct inlay_fiber *fiber,
                                     void *low,
                                     size_t size)
{
    (void)low;
    (void)size;
    *fiber = (struct inlay_fiber){.tsan = __tsan_create_fiber(0)};
}

static inline void inlay_fiber_end(struct inlay_fiber *fiber)
{
    __tsan_destroy_fiber(fiber->tsan);
    fiber->tsan = NULL;
}

/* TSan's stack of calls is the fiber's: whoever switches must not return in
 * between, so this is no function. */
#define inlay_fiber_enter(fiber, fake_ret, low, size)                          \
    ((void)(fake_ret), (void)(low), (void)(size),                              \
     (fiber)->outer_tsan = __tsan_get_current_fiber(),                         \
     __tsan_switch_to_fiber((fiber)->tsan, 0))
#define inlay_fiber_leave(fiber, last)                                         \
    ((void)(last), __tsan_switch_to_fiber((fiber)->outer_tsan, 0))

static inline void inlay_fiber_entered(void *fake)
{
    (void)fake;
}

static inline void inlay_fiber_resumed(struct inlay_fiber *fiber)
{
    (void)fiber;
}

#else

#define inlay_fiber_map(low, size) ((void)(low), (void)(size))
#define inlay_fiber_unmap(low, size) ((void)(low), (void)(size))
#define inlay_fiber_begin(fiber, low, size)                                    \
    ((void)(fiber), (void)(low), (void)(size))
#define inlay_fiber_end(fiber) ((void)(fiber))
#define inlay_fiber_enter(fiber, fake_ret, low, size)                          \
    ((void)(fiber), (void)(fake_ret), (void)(low), (void)(size))
#define inlay_fiber_entered(fake) ((void)(fake))
#define inlay_fiber_resumed(fiber) ((void)(fiber))
#define inlay_fiber_leave(fiber, last) ((void)(fiber), (void)(last))

#endif

#endif
