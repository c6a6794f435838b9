// stranger.cpp: a C++ program against the installed library.
#include <filch/filch.h>

#include <cstdio>

static long twice(long x) {
    return x * 2;
}
FILCH_TASK(long, twice, long);

struct point {
    double x, y;
};
static point add(point a, point b) {
    return point{a.x + b.x, a.y + b.y};
}
FILCH_TASK(point, add, point, point);

static long fib(filch_stack *top, long n);
FILCH_FORK_TASK(long, fib, long);

static long fib(filch_stack *top, long n) {
    if (n < 2)
        return n;
    filch_spawn(top, fib, n - 1);
    long b = fib(top, n - 2);
    return filch_sync(top, fib) + b;
}

int main() {
    long answer = 0, fifteenth = 0;
    point sum = {0, 0};
    filch_with (ex, filch_thread_pool(.max_workers = 2, .thread_name_prefix = "stranger")) {
        filch_future *f = filch_submit(ex, twice, 21);
        filch_future *g =
            filch_submit_with(ex, FILCH_OPTIONS(.name = "sum"), add, (point{1, 2}), (point{3, 4}));
        if (filch_result(f, &answer) != FILCH_OK || filch_result(g, &sum) != FILCH_OK)
            std::printf("%s\n", filch_error_message());
        filch_release(f);
        filch_release(g);
        if (filch_run(ex, fib, &fifteenth, 15) != FILCH_OK)
            std::printf("%s\n", filch_error_message());
    } else {
        std::printf("%s\n", filch_error_message());
    }
    std::printf("%ld %g %ld\n", answer, sum.x + sum.y, fifteenth);
    return answer == 42 && sum.x + sum.y == 10 && fifteenth == 610 ? 0 : 1;
}
