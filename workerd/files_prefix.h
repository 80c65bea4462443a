/* What lies below the prefixes of an account and has no row. For files.c. */
#ifndef FAREWELL_FILES_PREFIX_H
#define FAREWELL_FILES_PREFIX_H

#include "workerd/files_page.h"

/* Empties every prefix that worker.prefixes_sql names, until nothing is listed below it.
 * FILES_GONE: that is so, but for what was noted as failed. */
enum files_result files_delete_prefixes(struct pass *);

#endif
