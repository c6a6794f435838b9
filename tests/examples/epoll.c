/* An event loop that waits for a pipe, a timer and tasks at once. */
#include <filch/filch.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static long sum_to(long n) {
    long sum = 0;
    for (long i = 1; i <= n; i++)
        sum += i;
    return sum;
}
FILCH_TASK(long, sum_to, long);

enum { REQUESTS = 3 };

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Each byte that comes through the pipe is a request. */
static void accept_request(filch_executor *ex, filch_completed *tasks, int from) {
    unsigned char n;
    if (read(from, &n, 1) != 1)
        return;
    filch_future *f = filch_submit(ex, sum_to, n);
    if (f != NULL && filch_completed_add(tasks, f) != FILCH_OK)
        filch_release(f);
}

/* Never blocks: the descriptor said that there is one, or that there are none left. */
static filch_status collect(filch_completed *tasks) {
    filch_future *f;
    long sum;
    filch_status status = filch_completed_next(tasks, &f, 0);
    if (status != FILCH_OK)
        return status;
    if (filch_result(f, &sum) == FILCH_OK)
        printf("a sum: %ld\n", sum);
    filch_release(f);
    return FILCH_OK;
}

int main(void) {
    filch_with (ex, filch_thread_pool(.max_workers = 1)) {
        int ends[2], epoll = epoll_create1(EPOLL_CLOEXEC);
        int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        if (epoll < 0 || timer < 0 || pipe(ends) != 0)
            return 1;
        struct itimerspec soon = {.it_value.tv_nsec = 10 * 1000 * 1000};
        timerfd_settime(timer, 0, &soon, NULL);
        watch(epoll, ends[0]);
        watch(epoll, timer);

        filch_completed *tasks = filch_as_completed(NULL, 0);
        int fd = filch_completed_fd(tasks);
        int n_done = 0, is_watched = 0;
        while (n_done < REQUESTS) {
            struct epoll_event event;
            if (epoll_wait(epoll, &event, 1, -1) != 1)
                continue;
            if (event.data.fd == timer) {
                printf("the timer: three requests\n");
                close(timer);
                if (write(ends[1], "\3\12\144", REQUESTS) != REQUESTS)
                    break;
            } else if (event.data.fd == fd) {
                filch_status status = collect(tasks);
                n_done += status == FILCH_OK;
                if (status == FILCH_END) { /* readable until something comes in again */
                    epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
                    is_watched = 0;
                }
            } else {
                accept_request(ex, tasks, ends[0]);
                if (!is_watched)
                    watch(epoll, fd);
                is_watched = 1;
            }
        }
        filch_completed_close(tasks);
        close(ends[0]);
        close(ends[1]);
        close(epoll);
    }
    return 0;
}
