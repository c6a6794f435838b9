/* Statuses, the thread's last failure, the report hook. */
#include "base/status.h"
#include "test.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>

TEST(status, names_and_texts) {
    CHECK_STR_EQ(filch_status_name(FILCH_OK), "FILCH_OK");
    CHECK_STR_EQ(filch_status_name(FILCH_SYSTEM), "FILCH_SYSTEM");
    for (int i = FILCH_OK; i <= FILCH_SYSTEM; i++)
        CHECK(strlen(filch_status_text((filch_status)i)) > 0);
    CHECK_STR_EQ(filch_status_name((filch_status)999), "FILCH_?");
    CHECK_STR_EQ(filch_status_name((filch_status)-1), "FILCH_?");
    CHECK_NOT_NULL(filch_status_text((filch_status)999));
}

static void *look(void *arg) {
    (void)arg;
    CHECK_EQ(filch_error_status(), FILCH_OK);
    CHECK_STR_EQ(filch_error_message(), "");
    return NULL;
}

TEST(status, failure_of_the_thread) {
    CHECK_EQ(filchi_fail(FILCH_INVALID, "argument %d", 3), FILCH_INVALID);
    CHECK_EQ(errno, EINVAL);
    CHECK(!filchi_failure_was_read());
    CHECK_EQ(filch_error_status(), FILCH_INVALID);
    CHECK(filchi_failure_was_read());
    CHECK_STR_EQ(filch_error_message(), "argument 3");
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, look, NULL), 0);
    pthread_join(thread, NULL);
    errno = EMFILE;
    filchi_fail(FILCH_SYSTEM, "%s", "no descriptors");
    CHECK_EQ(errno, EMFILE); /* the system's own */
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    filchi_fail(FILCH_INVALID, "%s", text); /* cut, not overrun */
    CHECK(strlen(filch_error_message()) < sizeof text);
}

static char last_line[200];
static void keep_line(const char *line, void *arg) {
    strncpy(last_line, line, sizeof last_line - 1);
    *(int *)arg += 1;
}

TEST(status, reports) {
    int n = 0;
    filch_on_report(keep_line, &n);
    errno = ENOENT;
    filchi_report("the %s", "line");
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(n, 1);
    CHECK_STR_EQ(last_line, "the line");
    filch_on_report(NULL, NULL);
    CHECK_EQ(n, 1);
}
