/* Whether the rows of a page can be told apart. */
#ifndef FAREWELL_FILES_IDS_H
#define FAREWELL_FILES_IDS_H

#include <libpq-fe.h>

#include "workerd/files.h"
#include "workerd/files_page.h"

/* Looks whether each row of ROWS has an id, and no two have the same; one that is not so is noted,
 * and makes the pass useless. FILES_LOST: no memory. */
enum files_result files_check_ids(struct pass *, const PGresult *rows);

#endif
