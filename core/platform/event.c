/* platform/event.c: eventfd. Its counter is 0 or more; a read sets it to 0. */
#include "platform/event.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int filchi_event_open(void) {
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void filchi_event_set(int event) {
    int saved = errno;
    uint64_t one = 1;
    while (write(event, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = saved; /* EAGAIN: it is set */
}

void filchi_event_clear(int event) {
    int saved = errno;
    uint64_t count;
    while (read(event, &count, sizeof count) < 0 && errno == EINTR)
        ;
    errno = saved; /* EAGAIN: it was not set */
}

void filchi_event_close(int event) {
    int saved = errno;
    close(event);
    errno = saved;
}
