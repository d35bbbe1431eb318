/* signals.c - SIGINT and SIGTERM, as long as a server runs. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "embed/app.h"

#include "base/banned.h"

static const int numbers[] = {SIGINT, SIGTERM};

/* Signal handlers are the process's, and so is what they need. */
static atomic_int wake = -1;
static struct sigaction before[inlay_array_size(numbers)];

static void on_signal(int number)
{
    uint64_t value = number == SIGINT ? INLAY_APP_INTERRUPT : 1;
    int error = errno;

    if (write(atomic_load(&wake), &value, sizeof(value)) < 0)
        errno = error;
}

struct inlay_error *inlay_app_signals_take(const struct inlay_app *app)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    int none = -1;

    if (!atomic_compare_exchange_strong(&wake, &none, app->wake))
        return inlay_error_create(INLAY_ERROR_STATE,
                                  "another server runs in this process");
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < inlay_array_size(numbers); i++) {
        sigaction(numbers[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
    return NULL;
}

void inlay_app_signals_give_back(void)
{
    for (size_t i = 0; i < inlay_array_size(numbers); i++)
        sigaction(numbers[i], &before[i], NULL);
    atomic_store(&wake, -1);
}
