/* filch_with: opens, runs the block, and closes, however the block is left. */
#include "pools.h"

/* Closed means that all tasks have run. */
static struct gate *runs;

static void submit_some(const struct pool_kind *pool, filch_executor *ex) {
    runs = pool->alloc(ex, sizeof *runs);
    CHECK_NOT_NULL(runs);
    for (int i = 0; i < 100; i++)
        filch_release(filch_submit(ex, count_run, runs));
}

/* The memory outlives the executor. */
static void check_closed(const struct pool_kind *pool) {
    CHECK_EQ(gate_value(runs), 100);
    pool->free(NULL, runs);
}

CONTRACT(scope, left_at_its_end) {
    bool inside = false;
    filch_with (ex, pool->open(2)) {
        submit_some(pool, ex);
        inside = true;
    }
    CHECK(inside);
    check_closed(pool);
}

CONTRACT(scope, left_by_break) {
    filch_with (ex, pool->open(2)) {
        submit_some(pool, ex);
        if (gate_value(runs) >= 0)
            break;
        FAIL("break did not leave the block");
    } else {
        FAIL("break led to the else");
    }
    check_closed(pool);
}

CONTRACT(scope, left_by_continue) {
    int times = 0;
    for (int i = 0; i < 3; i++) {
        filch_with (ex, pool->open(2)) {
            submit_some(pool, ex);
            if (i >= 0)
                continue; /* leaves the block, not the turn of the loop */
            FAIL("continue did not leave the block");
        }
        check_closed(pool);
        times++;
    }
    CHECK_EQ(times, 3);
}

static long leave_by_return(const struct pool_kind *pool) {
    filch_with (ex, pool->open(2)) {
        submit_some(pool, ex);
        long value = 0;
        filch_future *future = filch_submit(ex, twice, 21);
        CHECK_EQ(filch_result(future, &value), FILCH_OK);
        filch_release(future);
        return value;
    }
    return -1;
}

CONTRACT(scope, left_by_return) {
    CHECK_EQ(leave_by_return(pool), 42);
    check_closed(pool);
}

CONTRACT(scope, left_by_goto) {
    filch_with (ex, pool->open(2)) {
        submit_some(pool, ex);
        if (gate_value(runs) >= 0)
            goto outside;
        FAIL("goto did not leave the block");
    }
    FAIL("goto ended before its label");
outside:
    check_closed(pool);
}

CONTRACT(scope, nested) {
    filch_with (outer, pool->open(1)) {
        filch_with (inner, pool->open(2)) {
            submit_some(pool, inner);
            check_long(filch_submit(outer, twice, 1), 2);
        }
        check_closed(pool);
        check_long(filch_submit(outer, twice, 4), 8);
    }
}

/* The handle may be shut down inside the block. */
CONTRACT(scope, shut_down_inside) {
    filch_with (ex, pool->open(2)) {
        submit_some(pool, ex);
        CHECK_EQ(filch_shutdown(ex), FILCH_OK);
        CHECK_EQ(gate_value(runs), 100);
    }
    check_closed(pool);
}

/* Opening fails: the else runs, once, and the block does not. */
CONTRACT(scope, else_branch) {
    int elses = 0;
    filch_with (ex, pool->open(-5)) {
        FAIL("the block ran without a pool");
    } else {
        CHECK_EQ(filch_error_status(), FILCH_INVALID);
        CHECK_STR_HAS(filch_error_message(), "max_workers");
        elses++;
    }
    CHECK_EQ(elses, 1);
    filch_with (ex, pool->open(1)) {
        check_long(filch_submit(ex, twice, 1), 2);
    } else {
        elses++;
    }
    CHECK_EQ(elses, 1);
}

/* Without an else the failure is reported. */
CONTRACT(scope, no_else_branch) {
    filch_with (ex, pool->open(-5)) {
        FAIL("the block ran without a pool");
    }
    CHECK_EQ(reports_take(), 1);
    CHECK_STR_HAS(reports.lines[0], "max_workers");
}

/* And where the else did not ask what went wrong. */
CONTRACT(scope, else_that_did_not_ask) {
    int elses = 0;
    filch_with (ex, pool->open(-5)) {
        FAIL("the block ran without a pool");
    } else {
        elses++;
    }
    CHECK_EQ(elses, 1);
    CHECK_EQ(reports_take(), 1);
    CHECK_STR_HAS(reports.lines[0], "max_workers");
}

static int leave_else(const struct pool_kind *pool) {
    filch_with (ex, pool->open(-5)) {
        FAIL("the block ran without a pool");
    } else {
        return (int)filch_error_status();
    }
    return -1;
}

CONTRACT(scope, else_left_by_return) {
    CHECK_EQ(leave_else(pool), FILCH_INVALID);
}

/* A failure of before is not this one's. */
CONTRACT(scope, earlier_failures_do_not_matter) {
    filch_with (ex, pool->open(1)) {
        CHECK_EQ(filch_join(NULL), FILCH_INVALID);
    } else {
        FAIL("the pool did not open");
    }
    CHECK_EQ(reports_count(), 0);
}
