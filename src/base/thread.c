/* thread.c - threads without signals of others. */
#include "base/thread.h"

#include <signal.h>

#include "base/macros.h"

#include "base/banned.h"

static const int own_faults[] = {SIGSEGV, SIGBUS,  SIGFPE,
                                 SIGILL,  SIGTRAP, SIGABRT};

int inlay_thread_start(pthread_t *ret, void *(*run)(void *arg), void *arg)
{
    sigset_t mask, before;

    sigfillset(&mask);
    for (size_t i = 0; i < inlay_array_size(own_faults); i++)
        sigdelset(&mask, own_faults[i]);
    /* A thread inherits the mask: no signal comes in before it is set. */
    int status = pthread_sigmask(SIG_SETMASK, &mask, &before);
    if (status)
        return status;
    status = pthread_create(ret, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}
