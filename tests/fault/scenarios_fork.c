/* scenarios_fork.c: parallel recursion: fork stacks, the first, those of nested tasks, and more places; arguments
 * that lie beside the places; errors of children that were stolen. */
#include "ledger.h"
#include "scenarios.h"

#include <errno.h>
#include <string.h>

enum { WIDE = 12000, DEPTH = 6 }; /* more than half of the places that a stack begins with */

static long leaf(filch_stack *top, long i) {
    (void)top;
    return i;
}
FILCH_FORK_TASK(long, leaf, long);

static long wide(filch_stack *top, struct entry *entry, long n) {
    ledger_ran(entry);
    for (long i = 0; i < n; i++)
        filch_spawn(top, leaf, i);
    long sum = 0;
    for (long i = 0; i < n; i++)
        sum += filch_sync(top, leaf);
    return sum;
}
FILCH_FORK_TASK(long, wide, struct entry *, long);

struct block {
    unsigned char bytes[5000];
};

static long large(filch_stack *top, struct block block, int depth);
FILCH_FORK_TASK(long, large, struct block, int);

static long large(filch_stack *top, struct block block, int depth) {
    if (depth == 0)
        return block.bytes[0] + block.bytes[sizeof block.bytes - 1];
    filch_spawn(top, large, block, depth - 1);
    filch_spawn(top, large, block, depth - 1);
    long sum = filch_sync(top, large);
    return sum + filch_sync(top, large);
}

static long start_large(filch_stack *top, struct entry *entry, int depth) {
    struct block block;
    ledger_ran(entry);
    memset(&block, 3, sizeof block);
    return large(top, block, depth);
}
FILCH_FORK_TASK(long, start_large, struct entry *, int);

static long nested(filch_stack *top, struct entry *entry, int depth);
FILCH_FORK_TASK(long, nested, struct entry *, int);

/* Each level is a task of its own, whose stack is another one where the same worker runs it. */
static long nested(filch_stack *top, struct entry *entry, int depth) {
    ledger_ran(entry);
    if (depth == 0)
        return 1;
    filch_spawn(top, leaf, 1);
    struct entry *e = ledger_next();
    e->needs_stack = true;
    long below = 0;
    filch_future *future = filch_submit(filch_this_executor(), nested, e, depth - 1);
    if (future == NULL) {
        ledger_check_failure("a submit in a task");
        e->was_refused = true;
        filch_raise(ENOMEM, "refused at depth %d", depth);
    } else {
        filch_status status = filch_result(future, &below);
        if (status == FILCH_FAILED)
            filch_raise(ENOMEM, "failed below");
        else if (status != FILCH_OK) {
            ledger_check_failure("a wait in a task");
            filch_raise(ENOMEM, "no stack");
        }
        filch_release(future);
    }
    return filch_sync(top, leaf) + below;
}

static long fail_below(filch_stack *top, int depth);
FILCH_FORK_TASK(long, fail_below, int);

static long fail_below(filch_stack *top, int depth) {
    if (depth == 0)
        return filch_raise(EDOM, "on purpose");
    filch_spawn(top, fail_below, depth - 1);
    filch_spawn(top, fail_below, depth - 1);
    (void)filch_sync(top, fail_below);
    return filch_sync(top, fail_below);
}

static long fail(filch_stack *top, struct entry *entry, int depth) {
    ledger_ran(entry);
    return fail_below(top, depth);
}
FILCH_FORK_TASK(long, fail, struct entry *, int);

static struct entry *next_forking(void) {
    struct entry *entry = ledger_next();
    entry->needs_stack = true;
    return entry;
}

/* What was accepted gives this value, or says that it failed. */
static void check_value(const struct entry *entry, long expected) {
    long value = -1;
    filch_status status =
        entry->future == NULL ? FILCH_FAILED : filch_result(entry->future, &value);
    MUST_MSG(status != FILCH_OK || value == expected, "%ld in place of %ld", value, expected);
}

static void run_fork(void) {
    filch_executor *ex = ledger_open(2);
    for (int i = 0; ex != NULL && i < 3; i++) {
        struct entry *one = next_forking(), *two = next_forking(), *three = next_forking(),
                     *four = next_forking();
        (void)ledger_accept(one, filch_submit(ex, wide, one, WIDE));
        (void)ledger_accept(two, filch_submit(ex, start_large, two, DEPTH));
        (void)ledger_accept(three, filch_submit(ex, nested, three, DEPTH));
        (void)ledger_accept(four, filch_submit(ex, fail, four, DEPTH));
        check_value(one, (long)WIDE * (WIDE - 1) / 2);
        check_value(two, 6 << DEPTH);
        check_value(three, DEPTH + 1);
        long value;
        MUST(four->future == NULL || filch_result(four->future, &value) != FILCH_OK);
    }
    ledger_finish(ex);
}

const struct scenario scenarios_fork[] = {{"fork_join", run_fork}, {0}};
