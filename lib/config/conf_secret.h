/* A secret's file: private, and its first line counts. Whoever keeps one for long reads it again
 * when it changes. */
#ifndef FAREWELL_CONF_SECRET_H
#define FAREWELL_CONF_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/config/conf.h"

/* Reads the secret's file into its value, which was NULL. False: WHY says what is wrong. */
bool conf_secret_read(struct conf_secret *, char *why, size_t why_size);
/* Wipes and frees both members. */
void conf_secret_wipe(struct conf_secret *);

#endif
