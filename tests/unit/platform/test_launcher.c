/* test_launcher.c: what launchers of MPI jobs put into the environment. */
#include "platform/launcher.h"

#include "test.h"

static struct launcher seen(void) {
    struct launcher launcher;
    filchi_launcher_read(&launcher);
    return launcher;
}

static void forget_all(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_SIZE",
                                        "OMPI_COMM_WORLD_LOCAL_RANK",
                                        "MPI_LOCALNRANKS",
                                        "MPI_LOCALRANKID",
                                        "SLURM_NTASKS_PER_NODE",
                                        "SLURM_LOCALID",
                                        "SLURM_CPUS_ON_NODE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
}

static int slurm_ranks(const char *text) {
    setenv("SLURM_NTASKS_PER_NODE", text, 1);
    return seen().n_ranks;
}

TEST(launcher, none) {
    forget_all();
    CHECK_EQ(seen().n_ranks, 1);
    CHECK_EQ(seen().rank, -1);
    CHECK_NULL(seen().name);
}

TEST(launcher, how_slurm_counts) {
    forget_all();
    CHECK_EQ(slurm_ranks("4"), 4);
    CHECK_EQ(slurm_ranks("4(x2)"), 4);
    CHECK_EQ(slurm_ranks("16(x3),2"), 16);
    CHECK_EQ(slurm_ranks("2,1"), 2);
    static const char *const bad[] = {
        "",  "0",  "-3", " 4",    "+4",  "four", "4x",         "4 ",
        "(", "x2", "4(", "4(y2)", "0x4", "1e9",  "2147483648", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_MSG(slurm_ranks(bad[i]) == 1, "\"%s\" is %d", bad[i], slurm_ranks(bad[i]));
    forget_all();
}

TEST(launcher, the_innermost_counts) {
    forget_all();
    setenv("SLURM_NTASKS_PER_NODE", "4", 1);
    setenv("MPI_LOCALNRANKS", "3", 1);
    CHECK_EQ(seen().n_ranks, 3);
    setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "2", 1);
    CHECK_EQ(seen().n_ranks, 2);
    CHECK_STR_EQ(seen().name, "OMPI_COMM_WORLD_LOCAL_SIZE");
    setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "none", 1);
    CHECK_EQ(seen().n_ranks, 3);
    forget_all();
}

TEST(launcher, which_rank) {
    forget_all();
    static const char *const names[][2] = {
        {"OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
        {"MPI_LOCALNRANKS", "MPI_LOCALRANKID"},
        {"SLURM_NTASKS_PER_NODE", "SLURM_LOCALID"}};
    for (size_t i = 0; i < 3; i++) {
        setenv(names[i][0], "4", 1);
        CHECK_EQ(seen().rank, -1);
        setenv(names[i][1], "0", 1);
        CHECK_EQ(seen().rank, 0);
        setenv(names[i][1], "3", 1);
        CHECK_EQ(seen().rank, 3);
        setenv(names[i][1], "4", 1);
        CHECK_EQ(seen().rank, -1);
        setenv(names[i][1], "x", 1);
        CHECK_EQ(seen().rank, -1);
        forget_all();
    }
}

TEST(launcher, the_cpus_of_an_allocation) {
    forget_all();
    CHECK_EQ(seen().n_cpus, 0);
    setenv("SLURM_CPUS_ON_NODE", "12", 1);
    CHECK_EQ(seen().n_cpus, 12);
    setenv("SLURM_CPUS_ON_NODE", "x", 1);
    CHECK_EQ(seen().n_cpus, 0);
    forget_all();
}
