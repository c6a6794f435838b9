/* census.h: what the program holds while no pool is open. */
#ifndef FILCH_SOAK_CENSUS_H
#define FILCH_SOAK_CENSUS_H

struct census {
    int descriptors;
    int threads;
    long heap;          /* bytes that malloc has given out */
    long resident;      /* bytes of private and of shared memory */
    long address_space; /* bytes */
};

/* Before the first pool: what pools leave behind becomes a child of this process. */
void census_open(void);

/* Waits until no child is left and no more threads than there were at census_open; counts. */
struct census census_take(void);

/* Ends the program if there is more of anything than there was. */
void census_compare(const struct census *before, const struct census *after);

#endif
