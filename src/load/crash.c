/* crash.c - tables of modules, the handlers, and the report. */
#include "load/crash.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "dwarf/dwarf.h"
#include "load/context.h"
#include "load/crash_walk.h"
#include "load/module.h"
#include "net/coroutine.h"

#include "base/banned.h"

#define STACK_SIZE ((size_t)64 << 10) /* for our handler and the next one's */
#define GUARD_SIZE ((size_t)64 << 10) /* a page, or more of smaller ones */
#define ROOM_LEAST ((size_t)6 << 10)  /* of stack, for the report */
#define LINES_MOST 16                 /* of a report */
#define STEPS_MOST (1 << 20)          /* of a walk: an overflow has many */
#define INLINED_MOST 8
#define CALLS_MOST 8 /* of running ones, each within another */
#define NAME_MOST 300
/* A fault this near to the stack pointer is the stack's. */
#define STACK_NEAR ((uintptr_t)64 << 10)
#define STACK_ABOVE 4096
#define OUTER_SIGNALS_MOST 8 /* whose handlers run, one in another */

struct range {
    uintptr_t begin, end;
};

struct map {
    const struct map *next;
    uintptr_t base;
    struct range code;
    struct inlay_lines lines;
};

static const struct {
    int number;
    char name[8];
} signals[] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
    {SIGILL, "SIGILL"},   {SIGABRT, "SIGABRT"},
};

/* Signal handlers are the process's, and so is what they need. */
static _Atomic(const struct map *) maps;
static struct sigaction previous[inlay_array_size(signals)];
static struct range libc_code;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t stack_key;
static bool has_stack_key;
static atomic_int line_fd = -1;

__thread bool inlay_crash_thread_ready
    __attribute__((tls_model("initial-exec")));

/* --- Where is it? --------------------------------------------------------- */

static bool contains(const struct range *range, uintptr_t address)
{
    return address >= range->begin && address < range->end;
}

static const struct map *find_map(uintptr_t address)
{
    const struct map *map = atomic_load(&maps);

    while (map && !contains(&map->code, address))
        map = map->next;
    return map;
}

bool inlay_crash_in_module(uintptr_t address)
{
    return find_map(address) != NULL;
}

uintptr_t inlay_crash_function(uintptr_t address)
{
    const struct inlay_code *codes[INLINED_MOST];
    const struct map *map = find_map(address);
    size_t count = map ? inlay_codes_find(&map->lines, address - map->base,
                                          codes, INLINED_MOST)
                       : 0;

    return count ? map->base + codes[count - 1]->begin : 0;
}

bool inlay_crash_in_libc(uintptr_t address)
{
    return contains(&libc_code, address);
}

bool inlay_crash_describe(uintptr_t address, struct inlay_crash_place *ret)
{
    const struct inlay_code *codes[INLINED_MOST];
    const struct map *map = find_map(address);

    memset(ret, 0, sizeof(*ret));
    if (!map)
        return false;
    address -= map->base;
    size_t count = inlay_codes_find(&map->lines, address, codes, INLINED_MOST);
    if (!count)
        return true;
    ret->function = codes[0]->name;
    /* gcc makes several of one function, and inlines them into each other. */
    if (!inlay_str_equal(codes[0]->name, codes[count - 1]->name))
        ret->within = codes[count - 1]->name;
    const struct inlay_line *line =
        inlay_lines_find(&map->lines, codes[count - 1]->begin, address);
    if (line) {
        ret->file = map->lines.files[line->file];
        ret->line = line->line;
    }
    return true;
}

/* --- The report ----------------------------------------------------------- */

struct report {
    size_t len;
    char text[4000]; /* under PIPE_BUF: no other text gets in between */
};

static void put(struct report *report, struct inlay_str text)
{
    size_t len = inlay_min(text.len, sizeof(report->text) - report->len);

    if (len)
        memcpy(report->text + report->len, text.ptr, len);
    report->len += len;
}

#define PUT(report, literal) put(report, INLAY_STR(literal))

static void put_number(struct report *report, uint64_t value, unsigned base)
{
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    put(report, inlay_str_make(digits + at, sizeof(digits) - at));
}

static void put_place(struct report *report,
                      const struct inlay_crash_place *place)
{
    if (place->function.len) {
        put(report, place->function);
        PUT(report, "()");
    } else {
        PUT(report, "a function without debug information");
    }
    if (place->within.len) {
        PUT(report, ", inlined into ");
        put(report, place->within);
        PUT(report, "(),");
    }
    if (place->line) {
        PUT(report, " at ");
        put(report, place->file);
        PUT(report, ":");
        put_number(report, place->line, 10);
    }
}

/* What the thread was doing; texts may lie anywhere by now. */
struct running {
    struct inlay_str what, function;
    bool writes; /* its result */
};

static struct running find_running(void)
{
    const struct inlay_context *at = inlay_context_current;
    struct inlay_context context;
    struct running running = {0};
    struct inlay_func func;

    for (int i = 0; i < CALLS_MOST && at; i++, at = context.outer) {
        if (!inlay_crash_read((uintptr_t)at, &context, sizeof(context)))
            break;
        if (!context.what.len)
            continue;
        running.what = context.what;
        running.writes = context.writes;
        if (context.func &&
            inlay_crash_read((uintptr_t)context.func, &func, sizeof(func)))
            running.function = func.name;
        break;
    }
    return running;
}

/* Text that may not be there, and is to be one field of one line. */
static void put_name(struct report *report, struct inlay_str name)
{
    uintptr_t at = (uintptr_t)name.ptr;
    char c;

    for (size_t i = 0; i < name.len && i < NAME_MOST; i++) {
        if (!inlay_crash_read(at + i, &c, 1))
            return;
        put(report, inlay_str_make((unsigned char)c < ' ' ? "?" : &c, 1));
    }
}

/* Or was it sent? */
static bool is_fault(const struct inlay_crash_signal *signal)
{
    return signal->code > 0;
}

/* An address that no pointer can have is not told by the processor. */
static bool has_address(const struct inlay_crash_signal *signal)
{
    return (signal->number == SIGSEGV || signal->number == SIGBUS) &&
           is_fault(signal) && signal->code != SI_KERNEL;
}

static bool is_overflow(const struct inlay_crash_signal *signal,
                        const struct inlay_crash_registers *registers)
{
    return has_address(signal) &&
           (inlay_coroutine_overflow(signal->address) ||
            (signal->address + STACK_NEAR >= registers->sp &&
             signal->address < registers->sp + STACK_ABOVE));
}

static void put_signal(struct report *report,
                       const struct inlay_crash_signal *signal)
{
    for (size_t i = 0; i < inlay_array_size(signals); i++) {
        if (signals[i].number == signal->number)
            put(report, inlay_str_from(signals[i].name));
    }
}

static void put_reason(struct report *report,
                       const struct inlay_crash_signal *signal,
                       const struct inlay_crash_registers *registers)
{
    put_signal(report, signal);
    if (is_overflow(signal, registers))
        PUT(report, " (stack overflow)");
    else if (signal->number == SIGFPE && signal->code == FPE_INTDIV)
        PUT(report, " (integer division by zero)");
}

static void put_circumstances(struct report *report,
                              const struct inlay_crash_signal *signal)
{
    char name[17] = ""; /* 16 and a NUL that is always there */

    PUT(report, " (");
    if (has_address(signal)) {
        PUT(report, "address 0x");
        put_number(report, signal->address, 16);
        PUT(report, ", ");
    }
    prctl(PR_GET_NAME, name);
    PUT(report, "thread ");
    put(report, inlay_str_from(name));
    PUT(report, ")\n");
}

static bool same_place(const struct inlay_crash_place *a,
                       const struct inlay_crash_place *b)
{
    return a->line == b->line && a->function.ptr == b->function.ptr &&
           a->file.ptr == b->file.ptr;
}

/* One line per caller; a caller that is the same again is counted. */
static void put_callers(struct report *report, struct inlay_crash_walk *walk)
{
    struct inlay_crash_place last = {0}, place;
    struct inlay_crash_frame frame;
    uint64_t times = 0;
    int lines = 0;

    for (int step = 0; step < STEPS_MOST; step++) {
        bool more = inlay_crash_next(walk, &frame);

        if (more) {
            inlay_crash_describe(frame.address, &place);
            if (times && same_place(&place, &last)) {
                times++;
                continue;
            }
        }
        if (times > 1) {
            PUT(report, ", ");
            put_number(report, times, 10);
            PUT(report, " times");
        }
        if (times)
            PUT(report, "\n");
        if (!more)
            return;
        if (lines++ == LINES_MOST) {
            PUT(report, "  ...\n");
            return;
        }
        PUT(report, "  called by ");
        put_place(report, &place);
        last = place;
        times = 1;
    }
    if (times)
        PUT(report, "\n");
}

static void put_first(struct report *report,
                      const struct inlay_crash_registers *registers,
                      const struct inlay_crash_frame *frame)
{
    struct inlay_crash_place place;
    uint8_t code;

    if (!frame->is_call) {
        PUT(report, " in ");
    } else if (inlay_crash_read(registers->pc, &code, 1)) {
        PUT(report, " in code called by ");
    } else {
        PUT(report, ": call of 0x");
        put_number(report, registers->pc, 16);
        PUT(report, ", which is no code, by ");
    }
    inlay_crash_describe(frame->address, &place);
    put_place(report, &place);
}

/* One line: see inlay_crash_report_to. */
static void put_line(struct report *report,
                     const struct inlay_crash_signal *signal,
                     const struct running *running,
                     const struct inlay_crash_frame *frame)
{
    struct inlay_crash_place place;

    inlay_crash_describe(frame->address, &place);
    put_number(report, (uint64_t)getpid(), 10);
    PUT(report, "\t");
    put_signal(report, signal);
    PUT(report, "\t");
    put_name(report, running->what);
    PUT(report, "\t");
    put_name(report,
             running->function.len ? running->function : place.function);
    PUT(report, "\t");
    if (running->writes) {
        PUT(report, "while its result was written");
    } else if (place.line) {
        put_name(report, place.file);
        PUT(report, ":");
        put_number(report, place.line, 10);
    }
    PUT(report, "\n");
}

static void put_text(struct report *report,
                     const struct inlay_crash_signal *signal,
                     const struct inlay_crash_registers *registers,
                     const struct running *running,
                     const struct inlay_crash_frame *frame)
{
    PUT(report, "inlay: ");
    put_reason(report, signal, registers);
    if (running->writes) {
        PUT(report, " while the result of ");
        put_name(report, running->function);
        PUT(report, "() was written");
    } else if (frame->address) {
        put_first(report, registers, frame);
    } else {
        PUT(report, " in a call of ");
        put_name(report, running->function);
        PUT(report, "()");
    }
    if (running->what.len) {
        PUT(report, ", for ");
        put_name(report, running->what);
    }
    put_circumstances(report, signal);
}

static void say(struct report *report, int fd)
{
    if (report->len == sizeof(report->text))
        report->text[report->len - 1] = '\n';
    while (write(fd, report->text, report->len) < 0 && errno == EINTR)
        continue;
    report->len = 0;
}

static void report_crash(const struct inlay_crash_signal *signal)
{
    struct running running = find_running();
    struct inlay_crash_registers registers;
    struct inlay_crash_frame frame = {0};
    struct inlay_crash_walk walk;
    struct report report;
    int fd = atomic_load(&line_fd);

    inlay_crash_registers(signal, &registers);
    /* No module's code runs while a result is written: what may look like it
     * is what calls have left on the stack. */
    bool found =
        !running.writes && inlay_crash_first(&registers, &walk, &frame);
    if (!found && !running.what.len)
        return;
    if (!found)
        frame = (struct inlay_crash_frame){0};
    report.len = 0;
    if (fd >= 0) { /* first: stderr may be slow */
        put_line(&report, signal, &running, &frame);
        say(&report, fd);
    }
    put_text(&report, signal, &registers, &running, &frame);
    if (found)
        put_callers(&report, &walk);
    say(&report, STDERR_FILENO);
}

void inlay_crash_report_to(int fd)
{
    atomic_store(&line_fd, fd);
}

/* --- Handlers ------------------------------------------------------------- */

static struct sigaction *previous_of(int number)
{
    size_t i = 0;

    while (i + 1 < inlay_array_size(signals) && signals[i].number != number)
        i++;
    return &previous[i];
}

/* The handler that was there before, or the end of the process. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    struct sigaction *before = previous_of(number);
    bool sent = info->si_code <= 0;

    if (before->sa_flags & SA_SIGINFO) {
        before->sa_sigaction(number, info, context);
        return;
    }
    if (before->sa_handler == SIG_IGN && sent)
        return;
    if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
        before->sa_handler(number);
        return;
    }
    /* A fault comes again, at the same place; what was sent does not. */
    sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    if (sent)
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
}

/* A thread's own stack for signals may be too small for more than its own. */
static bool has_room(const ucontext_t *context)
{
    uintptr_t room = (uintptr_t)__builtin_frame_address(0) -
                     (uintptr_t)context->uc_stack.ss_sp;

    return room >= ROOM_LEAST || room > context->uc_stack.ss_size;
}

/* What was sent may stand for a fault that another handler has had. */
static void find_fault(struct inlay_crash_signal *signal)
{
    for (int i = 0; i < OUTER_SIGNALS_MOST; i++) {
        if (is_fault(signal) || !inlay_crash_outer(signal, signal))
            return;
    }
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    struct inlay_crash_signal signal = {
        .number = number,
        .code = info->si_code,
        .address = (uintptr_t)info->si_addr,
        .context = context,
    };
    int error = errno;

    if (has_room(context)) {
        find_fault(&signal);
        report_crash(&signal);
    }
    pass_on(number, info, context);
    errno = error;
}

struct object {
    uintptr_t base;    /* its load address, or 0 */
    uintptr_t address; /* in its code, or 0 */
    struct range code;
};

static int look_at_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct object *object = arg;

    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + segment->p_vaddr;
        struct range range = {begin, begin + segment->p_memsz};

        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) ||
            !(object->address ? contains(&range, object->address)
                              : info->dlpi_addr == object->base))
            continue;
        object->code = range;
        return 1;
    }
    return 0;
}

/* Its segment of code. */
static struct range find_code(uintptr_t base, uintptr_t address)
{
    struct object object = {.base = base, .address = address};

    dl_iterate_phdr(look_at_object, &object);
    return object.code;
}

static void free_stack(void *arg)
{
    stack_t stack;

    if (sigaltstack(NULL, &stack) == 0 &&
        stack.ss_sp == (char *)arg + GUARD_SIZE)
        sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    munmap(arg, GUARD_SIZE + STACK_SIZE);
}

static void install(void)
{
    struct sigaction action = {
        .sa_sigaction = on_signal,
        .sa_flags = SA_SIGINFO | SA_ONSTACK,
    };

    libc_code = find_code(0, (uintptr_t)qsort);
    has_stack_key = pthread_key_create(&stack_key, free_stack) == 0;
    sigemptyset(&action.sa_mask);
    /* A fault of the handler's own is the end, not another report. */
    for (size_t i = 0; i < inlay_array_size(signals); i++)
        sigaddset(&action.sa_mask, signals[i].number);
    for (size_t i = 0; i < inlay_array_size(signals); i++)
        sigaction(signals[i].number, NULL, &previous[i]);
    for (size_t i = 0; i < inlay_array_size(signals); i++)
        sigaction(signals[i].number, &action, NULL);
}

void inlay_crash_thread_slow(void)
{
    stack_t stack;

    inlay_crash_thread_ready = true;
    pthread_once(&once, install);
    if (!has_stack_key || sigaltstack(NULL, &stack) ||
        !(stack.ss_flags & SS_DISABLE))
        return;
    char *memory = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return;
    stack = (stack_t){.ss_sp = memory + GUARD_SIZE, .ss_size = STACK_SIZE};
    if (mprotect(memory, GUARD_SIZE, PROT_NONE) ||
        pthread_setspecific(stack_key, memory)) {
        munmap(memory, GUARD_SIZE + STACK_SIZE);
        return;
    }
    sigaltstack(&stack, NULL);
}

void inlay_crash_add(struct inlay_module *module, struct inlay_str root)
{
    struct map *map = inlay_arena_new(&module->arena, struct map);

    pthread_once(&once, install);
    if (!map)
        return;
    map->base = module->base;
    struct inlay_error *error =
        inlay_dwarf_lines(module->path.ptr, root, &module->arena, &map->lines);
    if (error) {
        inlay_error_destroy(error);
        return;
    }
    map->code = find_code(map->base, 0);
    map->next = atomic_load(&maps);
    while (!atomic_compare_exchange_weak(&maps, &map->next, map))
        continue;
}
