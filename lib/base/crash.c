/* Crash points: their names, and the death of a process that passes the one that was chosen. */
#include "lib/base/crash.h"

#include <stddef.h>

#ifdef FAREWELL_CRASH_POINTS

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const crash_points[] = {
	/* gateway, in the order of the sequence */
	"gateway-before-lock",   /* request read, nothing begun                     */
	"gateway-after-lock",    /* transaction open, row locked                    */
	"gateway-after-publish", /* message written, no confirm read                */
	"gateway-after-confirm", /* message is in the queue                         */
	"gateway-before-commit", /* UPDATE, INSERT and COMMIT about to be sent      */
	"gateway-after-commit",  /* committed, the client not told                  */
	/* worker, in the order of the job */
	"worker-after-delivery",    /* message in hand                                 */
	"worker-after-guard",       /* started_at stamped                              */
	"worker-after-start",       /* the ledger counts the start                     */
	"worker-before-batch",      /* a page of files read                            */
	"worker-after-batch",       /* S3 answered, progress not committed             */
	"worker-after-progress",    /* progress committed                              */
	"worker-before-sending",    /* all files gone, mark `sending` not committed    */
	"worker-after-sending",     /* `sending` committed, nothing sent               */
	"worker-inside-smtp",       /* the message is being handed to the mail server  */
	"worker-after-smtp",        /* the mail server took it, `sent` not committed   */
	"worker-before-ack",        /* completed and committed                         */
	"worker-after-ack",         /* acknowledged                                    */
	"worker-before-retry",      /* failed, nothing recorded                        */
	"worker-after-turn",        /* turn + 1 committed, retry not published         */
	"worker-after-republish",   /* retry confirmed, old message not acknowledged   */
	"worker-after-park",        /* parked in the ledger, no copy in the broker     */
	"worker-after-hand-back",   /* handed back and confirmed, not acknowledged     */
	"reconciler-after-claim",   /* request claimed, nothing published              */
	"reconciler-after-turn",    /* turn + 1 committed, nothing published           */
	"reconciler-after-publish", /* published, claim not closed                     */
	"reconciler-sweep-found",   /* late files of a completed deletion, nothing changed */
	"reconciler-sweep-request", /* its request is reopened, its ledger not         */
	"reconciler-sweep-ledger",  /* both are, nothing published                     */
	"reconciler-sweep-publish", /* published, the sweep not noted                  */
	NULL,
};

static void crash_now(const char *how, const char *file)
{
	if (file != NULL) {
		int fd = open(file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

		if (fd < 0)
			return;
		close(fd);
	}
	raise(strcmp(how, "stop") == 0 ? SIGSTOP : SIGKILL);
}

void crash_point(const char *name)
{
	const char *wanted = getenv("FAREWELL_CRASH");
	const char *rest, *file;
	size_t length = strlen(name);

	if (wanted == NULL || strncmp(wanted, name, length) != 0)
		return;
	rest = wanted + length;
	file = strchr(rest, '@');
	if (rest[0] == '\0' || rest[0] == '@')
		crash_now("kill", file ? file + 1 : NULL);
	else if (strncmp(rest, "=stop", 5) == 0 && (rest[5] == '\0' || rest[5] == '@'))
		crash_now("stop", file ? file + 1 : NULL);
}

#else

const char *const crash_points[] = {NULL};

#endif
