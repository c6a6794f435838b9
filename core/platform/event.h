/* platform/event.h: a descriptor that polls readable while it is set (eventfd). */
#ifndef FILCHI_EVENT_H
#define FILCHI_EVENT_H

/* A new one, not set; closed on exec. Returns: -1 with errno set. */
int filchi_event_open(void);

/* Setting it twice is setting it once; neither blocks nor changes errno. */
void filchi_event_set(int event);
void filchi_event_clear(int event);

void filchi_event_close(int event);

#endif
