/* test_main.c: runs the tests of one file in one plain process; see test.h. */
#include "test.h"

static struct test *first;
static struct test **last = &first;

void test_register(struct test *test) {
    *last = test;
    last = &test->next;
}

static bool is_selected(const struct test *test, const char *selection) {
    size_t length = strlen(test->suite);
    return strncmp(selection, test->suite, length) == 0 &&
           (selection[length] == '\0' ||
            (selection[length] == '/' && strcmp(selection + length + 1, test->name) == 0));
}

int main(int argc, char **argv) {
    int run = 0;
    for (struct test *test = first; test != NULL; test = test->next) {
        bool selected = argc < 2;
        for (int i = 1; i < argc; i++)
            selected |= is_selected(test, argv[i]);
        if (!selected)
            continue;
        printf("%s/%s\n", test->suite, test->name);
        fflush(stdout);
        test->run();
        run++;
    }
    printf("%d tests passed\n", run);
    return run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
