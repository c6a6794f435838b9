/* Map a function over an array of strings; the results come in input order. */
#include <filch/filch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A task sees its own copy of a string. What it returns with filch_own is freed for it. */
static char *reverse(const char *word) {
    size_t length = strlen(word);
    char *result = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        result[i] = word[length - 1 - i];
    result[length] = '\0';
    return filch_own(result);
}
FILCH_TASK(char *, reverse, const char *);

/* Several parameters: an array of their tuples. */
static size_t count_letter(const char *word, char letter) {
    size_t count = 0;
    for (; *word != '\0'; word++)
        count += *word == letter;
    return count;
}
FILCH_TASK(size_t, count_letter, const char *, char);

int main(void) {
    static const char *const words[] = {"desserts", "drawer", "lamina", "stressed", "", "level"};
    enum { WORDS = sizeof words / sizeof words[0] };

    filch_with (ex, filch_thread_pool(.max_workers = 3)) {
        filch_results *results = filch_map(ex, reverse, words, WORDS);
        for (char *reversed; filch_results_next(results, &reversed) == FILCH_OK;)
            printf("'%s' becomes '%s'\n", words[filch_results_index(results)], reversed);
        filch_results_close(results);

        filch_args(count_letter) tuples[WORDS];
        for (int i = 0; i < WORDS; i++)
            tuples[i] = (filch_args(count_letter)){words[i], 'e'};
        results = filch_map(ex, count_letter, tuples, WORDS, .chunksize = 2);
        size_t sum = 0;
        for (size_t count; filch_results_next(results, &count) == FILCH_OK;)
            sum += count;
        filch_results_close(results);
        printf("%zu times the letter e\n", sum);
    }
    return 0;
}
