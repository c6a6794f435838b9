/* Parallel recursion: in how many ways do n queens stand on a board of n x n without threatening each other? Each
 * free square of a row is a child that another worker may take. */
#include <filch/filch.h>
#include <stdio.h>

/* The squares of the next row that are threatened: along columns, and along the diagonals. */
struct board {
    int n;
    unsigned columns, left, right;
};

static long count(filch_stack *top, struct board board, int row);
FILCH_FORK_TASK(long, count, struct board, int);

static long count(filch_stack *top, struct board board, int row) {
    if (row == board.n)
        return 1;
    unsigned free = ~(board.columns | board.left | board.right) & ((1u << board.n) - 1);
    int n_children = 0;
    while (free != 0) {
        unsigned square = free & -free;
        free -= square;
        struct board next = {board.n, board.columns | square, (board.left | square) << 1,
                             (board.right | square) >> 1};
        filch_spawn(top, count, next, row + 1);
        n_children++;
    }
    long sum = 0;
    while (n_children-- > 0)
        sum += filch_sync(top, count);
    return sum;
}

int main(void) {
    filch_with (ex, filch_thread_pool()) {
        for (int n = 4; n <= 10; n++) {
            long ways = 0;
            filch_status status = filch_run(ex, count, &ways, (struct board){.n = n}, 0);
            if (status != FILCH_OK)
                printf("%s: %s\n", filch_status_name(status), filch_error_message());
            else
                printf("%2d queens: %ld\n", n, ways);
        }
    }
    return 0;
}
