/* replay.c: plays the files, and the files of the directories, that it is given: once each. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>

static int n_played;

static void play(const char *path) {
    FILE *file = fopen(path, "rb");
    CHECK_MSG(file != NULL, "%s: %s", path, strerror(errno));
    CHECK_EQ(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    CHECK_GE(size, 0);
    rewind(file);
    uint8_t *data = malloc((size_t)size + 1);
    CHECK_NOT_NULL(data);
    CHECK_EQ(fread(data, 1, (size_t)size, file), size);
    fclose(file);
    (void)LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    n_played++;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        DIR *directory = opendir(argv[i]);
        if (directory == NULL) {
            play(argv[i]);
            continue;
        }
        for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (entry->d_name[0] != '.')
                play(path);
        }
        closedir(directory);
    }
    printf("%d inputs\n", n_played);
    return n_played > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
