/* The mail of a job, when every object is gone. */
#ifndef FAREWELL_JOB_MAIL_H
#define FAREWELL_JOB_MAIL_H

#include "workerd/outcome.h"

/* Mails the user, unless what became of the mail is decided, and completes the deletion. */
enum job_end job_mail(struct job *);

#endif
