/* The life of a child: accept, answer, and again. The only part that knows FastCGI. */
#ifndef FAREWELL_ACCEPT_H
#define FAREWELL_ACCEPT_H

struct child;
struct conf;

/* Says which socket the children accept on; before master_run, once for all. */
void accept_from(int listener);

/* A child of master_run. */
int accept_run(struct child *, const struct conf *);

#endif
