/* Marking, sending and recording a mail, so that there are never more than two. */
#include "workerd/job_mail.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/crash.h"
#include "lib/base/log.h"
#include "lib/deletion/status.h"
#include "lib/mail/mail.h"
#include "workerd/away.h"

#define MAILS_MAX 2
#define SERVED_MAIL "the mail server"

/* Whether a mail of unknown fate is sent once more. */
static bool may_resend(const struct job *job)
{
	return job->worker->conf->worker.when_unknown == WHEN_UNKNOWN_RESEND &&
	       job->entry->mails < MAILS_MAX;
}

/* The mark is taken back before anything else is recorded: a mail that certainly was not sent is
 * not counted. */
static enum job_end take_mark_back(struct job *job)
{
	job->memory->fact = JOB_MAIL_NOT_SENT;
	enum ledger_answer answer = ledger_not_sent(&job->worker->sessions.ledger, job->entry);
	if (answer != LEDGER_OK)
		return JOB_ABANDONED;
	job->memory->fact = JOB_MAIL_NOTHING;
	return JOB_DONE;
}

static enum job_end fail_mail(struct job *job, enum retry_cause cause, const char *why)
{
	struct failure failure;

	failure_set(&failure, cause, SERVED_MAIL, why);
	return outcome_fail(job, &failure);
}

/* The mail server has nobody's mail: the job waits for it, uncharged, and the longer the server is
 * away the longer. */
static enum job_end wait_for_server(struct job *job)
{
	struct worker *worker = job->worker;
	const struct breaker *breaker = &worker->breakers[SERVER_MAIL];

	away_say(worker, SERVER_MAIL);
	return outcome_hand_back(job, breaker_delay(breaker, worker->conf, clock_now_ms()),
	                         breaker->why);
}

/* Whether the server had this mail as far as RCPT TO says whether it has anybody's. */
static void tell_server(struct job *job, enum mail_result result, const char *why)
{
	struct breaker *breaker = &job->worker->breakers[SERVER_MAIL];

	if (result == MAIL_SERVER)
		breaker_fault(breaker, why, clock_now_ms());
	else if (result != MAIL_STOPPED)
		breaker_success(breaker, clock_now_ms());
}

static enum job_end record_mail(struct job *job, enum mail_result result, const char *why)
{
	switch (result) {
	case MAIL_ACCEPTED:
		job->memory->fact = JOB_MAIL_SENT;
		served_note(&job->worker->served, SERVED_MAIL, job->entry->deletion_id);
		CRASH_POINT("worker-after-smtp");
		return outcome_complete(job, MAIL_SENT, NULL);
	case MAIL_REJECTED:
		log_warning("the mail was refused for good: %s", why);
		return outcome_complete(job, MAIL_REFUSED, why);
	case MAIL_NO_ANSWER:
		log_warning("whether the mail was sent is unknown: %s", why);
		/* The mark stays `sending`, and the next attempt decides, at once. */
		ledger_unanswered(&job->worker->sessions.ledger, job->entry);
		return may_resend(job) ? fail_mail(job, RETRY_TIME_HEALS, why) :
		                         outcome_complete(job, MAIL_UNKNOWN, why);
	default: break;
	}
	enum job_end end = take_mark_back(job);
	if (end != JOB_DONE)
		return end;
	if (result == MAIL_SERVER)
		return wait_for_server(job);
	if (result == MAIL_STOPPED)
		return job->worker->broker_lost ? JOB_ABANDONED : outcome_hand_over(job, true);
	return fail_mail(job, result == MAIL_OPERATOR ? RETRY_OPERATOR : RETRY_TIME_HEALS, why);
}

/* Whether a mail that is begun now has ended, whatever the server does, before its child is told to
 * stop. */
static bool is_time_for_mail(const struct job *job)
{
	const struct conf *conf = job->worker->conf;
	int64_t left_ms = job->started_ms + conf->worker.pool.soft_timeout_ms - clock_now_ms();

	return left_ms >= conf->worker.smtp_timeout_ms + conf->worker.smtp_answer_timeout_ms;
}

/* The next turn begins with the mail. One that has not even got as far as that in time without
 * deleting anything counts: it would be handed over for ever. */
static enum job_end put_mail_off(struct job *job)
{
	struct failure failure;

	if (job->changed) {
		log_info("not enough time is left for the mail before worker.soft_timeout");
		return outcome_hand_over(job, true);
	}
	failure_set(&failure, RETRY_TIME_HEALS, "worker.soft_timeout",
	            "so much time went by before the mail that worker.smtp_timeout and "
	            "smtp_answer_timeout are not left before soft_timeout; look for what is slow, or "
	            "raise soft_timeout");
	return outcome_fail(job, &failure);
}

static enum job_end send_mail(struct job *job)
{
	char why[FAILURE_WHY_SIZE];
	struct mail_letter letter = {
		.to = job->guard.contact.address,
		.name = job->guard.contact.name,
		.locale = job->guard.contact.locale,
		.user_id = job->message.user_id,
		.deletion_id = job->message.deletion_id,
		.requested_at = job->message.requested_at,
		.files_deleted = job->entry->files_deleted,
		.versions_left = job->entry->versions_left,
	};

	if (breaker_waits(&job->worker->breakers[SERVER_MAIL], clock_now_ms()))
		return wait_for_server(job);
	if (!is_time_for_mail(job))
		return put_mail_off(job);
	child_step(job->worker->child, "mail");
	CRASH_POINT("worker-before-sending");
	job->changed = true;
	enum ledger_answer answer = ledger_sending(&job->worker->sessions.ledger, job->entry);
	/* Another turn has taken over, or somebody has just written down that he has sent it: the same
	 * message again tells. */
	if (answer == LEDGER_SUPERSEDED)
		return JOB_ABANDONED;
	if (answer != LEDGER_OK)
		return outcome_of_ledger(job, answer);
	CRASH_POINT("worker-after-sending");
	enum mail_result result = mail_send(job->worker->mailer, &letter, why, sizeof(why));
	tell_server(job, result, why);
	return record_mail(job, result, why);
}

/* A mail that somebody marked and did not record: he died, or is still at it. */
static enum job_end decide_unknown(struct job *job)
{
	if (job->entry->sending_ms < worker_mail_bound_ms(job->worker->conf))
		return outcome_defer(job, 1, "an earlier attempt may still be sending the mail");
	if (!may_resend(job))
		return outcome_complete(job, MAIL_UNKNOWN,
		                        job->entry->mails >= MAILS_MAX ?
		                            "two mails were begun, and of neither is known whether it "
		                            "arrived" :
		                            "a worker died while it was sending the mail; look whether it "
		                            "arrived");
	log_warning("an earlier attempt ended while it was sending the mail: sending it again, as "
	            "worker.when_unknown says");
	return send_mail(job);
}

enum job_end job_mail(struct job *job)
{
	const char *mail = job->entry->mail;

	/* Final: also for a late file's sake none is sent after it was said that there is none. */
	if (strcmp(mail, MAIL_SENT) == 0 || strcmp(mail, MAIL_REFUSED) == 0 ||
	    strcmp(mail, MAIL_UNKNOWN) == 0 || strcmp(mail, MAIL_NONE) == 0)
		return outcome_complete(job, mail, NULL);
	if (strcmp(mail, MAIL_SENDING) == 0)
		return decide_unknown(job);
	if (job->guard.contact.address[0] == '\0')
		return outcome_complete(job, MAIL_NONE, NULL);
	return send_mail(job);
}
